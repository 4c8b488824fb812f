/** What the command store and its worker thread say to each other. */
import type { CommandPage, CommandQuery, StoredCommand } from "./command.ts";

export type ToStore =
  /** `bytes` come back in the answer. */
  | { readonly kind: "put"; readonly commands: readonly StoredCommand[]; readonly bytes: number }
  | { readonly kind: "search"; readonly id: number; readonly query: CommandQuery }
  | { readonly kind: "forget"; readonly id: number; readonly sessionId: string }
  /** Answered when everything before it is written down; then the file is closed. */
  | { readonly kind: "close"; readonly id: number };

export type FromStore =
  | { readonly kind: "page"; readonly id: number; readonly page: CommandPage }
  | { readonly kind: "done"; readonly id: number }
  | { readonly kind: "failed"; readonly id: number; readonly invalid: string | undefined; readonly error: string }
  | { readonly kind: "stored"; readonly bytes: number }
  /** Commands were not written down. */
  | { readonly kind: "lost"; readonly commands: number; readonly bytes: number; readonly error: string };
