/** What the audit log is told of sign-ins: each new way in, and failures without letting strangers fill the disk. */
import type { Actor, Audit } from "../audit.ts";
import type { Clock } from "../flow/clock.ts";
import type { TellIdentity } from "./identity-events.ts";

/** A caller who was not heard of for so long has signed in anew. */
const quietMs = 60 * 60 * 1000;
/** Failures from one address, of one cause and one claimed name, are one line in so much; the next one says how many there were. */
const foldMs = 60_000;
/** At the bound who was longest quiet is forgotten: his next call is noted once more. */
const mostCallers = 10_000;
/** Beyond it failures are counted together, whoever they are from. */
const mostAddresses = 200;

export interface SignInNotes {
  /** A call proved who it is from. Noted when it is his first from there in this way, or the first for an hour. */
  called(actor: Actor): void;
  /** He is about to sign in. Always noted, and his next calls from there are not. Throws `recorder-lost` when it cannot be. */
  signedIn(actor: Actor): void;
  /** Somebody did not prove who he is, or is not let in as who he is: `claimed`. */
  failed(address: string, cause: string, claimed?: string): void;
  /** Somebody who failed too often is not even listened to. */
  throttled(address: string, cause: string): void;
  /** A page of another site made a browser call here. */
  crossSite(address: string): void;
}

export function createSignInNotes(audit: Pick<Audit, "note" | "write">, clock: Clock): SignInNotes {
  /** When each was last heard of, longest quiet first. */
  const callers = new Map<string, number>();
  const failures = new Map<string, { readonly atMs: number; times: number }>();
  const heard = (actor: Actor): boolean => {
    const key = JSON.stringify([actor.name, actor.address, actor.signedIn, actor.byToken]);
    const nowMs = clock.monotonicMs();
    const beforeMs = callers.get(key);
    callers.delete(key);
    callers.set(key, nowMs);
    for (const oldest of callers.keys()) {
      if (callers.size <= mostCallers) break;
      callers.delete(oldest);
    }
    return beforeMs !== undefined && nowMs - beforeMs < quietMs;
  };
  type Failure = "login-failed" | "login-throttled" | "cross-site-refused";
  const fold = (event: Failure, from: string, cause: string, claimed?: string) => {
    const nowMs = clock.monotonicMs();
    for (const [key, { atMs, times }] of failures) if (nowMs - atMs >= foldMs && times === 0) failures.delete(key);
    const own = `${event} ${from} ${cause} ${claimed ?? ""}`;
    const single = failures.size < mostAddresses || failures.has(own);
    const [address, key] = single ? [from, own] : ["many", `${event} many`];
    const known = failures.get(key);
    if (known !== undefined && nowMs - known.atMs < foldMs) {
      known.times += 1;
      return;
    }
    failures.set(key, { atMs: nowMs, times: 0 });
    const times = (known?.times ?? 0) + 1;
    const details = { cause, ...(single ? { claimed } : {}), ...(times === 1 ? {} : { times }) };
    audit.note({ event, address, ...details });
  };
  return {
    called(actor) {
      if (!heard(actor)) audit.note({ event: "login-ok", actor });
    },
    signedIn(actor) {
      audit.write({ event: "login-ok", actor });
      heard(actor);
    },
    failed: (address, cause, claimed) => fold("login-failed", address, cause, claimed),
    throttled: (address, cause) => fold("login-throttled", address, cause),
    crossSite: (address) => fold("cross-site-refused", address, "another site"),
  };
}

/** What happens to identities goes into the log as it is; sign-ins and failures by their own rules. */
export function tellIdentity(audit: Pick<Audit, "note" | "write">, signIns: SignInNotes): TellIdentity {
  return (told) => {
    switch (told.event) {
      case "login-ok":
        return signIns.signedIn(told.actor);
      case "login-failed":
        return signIns.failed(told.address, told.cause, told.claimed);
      case "login-throttled":
        return signIns.throttled(told.address, "limit");
      case "token-created":
        return audit.write({ event: told.event, actor: told.actor, token: told.token, owner: told.who });
      case "device-code-approved":
        return audit.write(told);
      case "token-revoked":
      case "token-used-from-new-source":
        return audit.note({ event: told.event, actor: told.actor, token: told.token, owner: told.who });
      default:
        return audit.note(told);
    }
  };
}
