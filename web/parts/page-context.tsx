/** What every part of the page may use: the clients, who is calling, the words, and how to open a shell. */

import { createContext, type ReactNode, useContext } from "react";
import type { Who } from "../access.ts";
import type { Api } from "../api.ts";
import type { SessionFeed } from "../session-feed.ts";
import type { SettingsStore } from "../terminal-settings.ts";

/** A shell to open in a tab of its own: new on a target, or one's own session again. Each wish has an id of its own. */
export interface ShellWish {
  readonly id: number;
  readonly open: { readonly target: string } | { readonly sessionId: string; readonly target: string };
}

export interface PageContext {
  readonly api: Api;
  readonly who: Who;
  /** The sign-in has ended: what is open goes on, nothing new can be had until the person shows a new link. */
  readonly signedOut: boolean;
  readonly feed: SessionFeed;
  /** Of terminals, shared by all of them. */
  readonly settings: SettingsStore;
  /** Shows the shell page with one more tab. Only ever called by a person's act, never because of an address. */
  openShell(open: ShellWish["open"]): void;
}

const Context = createContext<PageContext | undefined>(undefined);

export function PageProvider({ value, children }: { value: PageContext; children: ReactNode }) {
  return <Context value={value}>{children}</Context>;
}

/** Throws outside of PageProvider. */
export function usePage(): PageContext {
  const value = useContext(Context);
  if (value === undefined) throw new Error("usePage() needs a PageProvider around it.");
  return value;
}
