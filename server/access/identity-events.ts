/** What happens when people and programs come in and leave: told to whoever keeps the audit log, in its words. */

import type { Actor } from "../audit.ts";

/** Who did it, from where, and how he signed in. */
export type IdentityActor = Actor;

export type IdentityEvent =
  | { readonly event: "login-ok"; readonly actor: IdentityActor & { readonly signedIn: "oidc" | "device" } }
  /** `cause`: a fault's word, or why a sign-in by the provider was refused. */
  | { readonly event: "login-failed"; readonly address: string; readonly cause: string }
  | { readonly event: "login-throttled"; readonly address: string }
  | { readonly event: "logout"; readonly actor: IdentityActor }
  | { readonly event: "device-code-issued"; readonly address: string }
  | {
      readonly event: "device-code-approved" | "device-code-denied";
      readonly actor: IdentityActor;
      readonly cause: string;
    }
  /** `who`: whose token it is. */
  | {
      readonly event: "token-created" | "token-revoked" | "token-used-from-new-source";
      readonly actor: IdentityActor;
      readonly who: string;
      readonly token: string;
    };

/**
 * Told of `login-ok`, `token-created` and `device-code-approved` before they happen: throws `recorder-lost` when that cannot be
 * noted, and then they must not. Of all else it is told afterwards, and never throws.
 */
export type TellIdentity = (event: IdentityEvent) => void;
