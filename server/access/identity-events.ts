/** What happens when people and programs come in and leave: told to whoever keeps the audit log, in its words. */

import type { Actor } from "../audit.ts";

export type IdentityEvent =
  | { readonly event: "login-ok"; readonly actor: Actor & { readonly signedIn: "oidc" | "device" } }
  /** `cause`: a fault's word, or why a sign-in by the provider was refused; `claimed`: the name that this one gave. */
  | {
      readonly event: "login-failed";
      readonly address: string;
      readonly cause: string;
      readonly claimed?: string | undefined;
    }
  | { readonly event: "login-throttled"; readonly address: string }
  | { readonly event: "logout"; readonly actor: Actor }
  | { readonly event: "device-code-issued"; readonly address: string }
  | {
      readonly event: "device-code-approved" | "device-code-denied";
      readonly actor: Actor;
      readonly cause: string;
    }
  /** `who`: whose token it is. */
  | {
      readonly event: "token-created" | "token-revoked" | "token-used-from-new-source";
      readonly actor: Actor;
      readonly who: string;
      readonly token: string;
    };

/**
 * Told of `login-ok`, `token-created` and `device-code-approved` before they happen: throws `recorder-lost` when that cannot be
 * noted, and then they must not. Of all else it is told afterwards, and never throws.
 */
export type TellIdentity = (event: IdentityEvent) => void;
