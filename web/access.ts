/** Whether this tab may call the server: redeems the one-time code of the page's link and keeps the token it gives. */

import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { isLostCall } from "../proto/client/faults.ts";
import { type AccessClient, faultOf } from "../proto/client/index.ts";

export interface Who {
  readonly name: string;
  readonly roles: readonly string[];
  readonly node: string;
  readonly serverVersion: string;
}

export type AccessState =
  | { readonly kind: "checking" }
  | { readonly kind: "in"; readonly who: Who }
  /** No token, or one that is no longer good: the page needs a new link. */
  | { readonly kind: "out"; readonly why: "no-link" | "link-used" | "over" }
  /** The server did not answer; trying again is sensible. */
  | { readonly kind: "unreachable"; readonly message: string };

export interface Access {
  readonly state: AccessState;
  subscribe(listener: () => void): () => void;
  /** Takes the code out of the address, if there is one, and finds out who the caller is. Never throws. */
  check(): Promise<void>;
  /** Forgets the token: of this tab, for good. */
  leave(): void;
}

const storageKey = "bartizan.token";
const timeoutMs = 10_000;

/** The token lives in sessionStorage: of this origin with its port, of this tab, and gone with it. */
export function storedToken(): string {
  return sessionStorage.getItem(storageKey) ?? "";
}

export function createAccess(client: () => AccessClient): Access {
  const listeners = new Set<() => void>();
  let state: AccessState = { kind: "checking" };
  let code: string | undefined;
  const become = (next: AccessState) => {
    state = next;
    for (const listener of listeners) listener();
  };
  const forget = (why: "no-link" | "link-used" | "over") => {
    sessionStorage.removeItem(storageKey);
    if (state.kind !== "out") become({ kind: "out", why });
  };

  async function check(): Promise<void> {
    code = takeCode() ?? code;
    let refused = false;
    let asked = "";
    if (state.kind === "out") become({ kind: "checking" });
    try {
      if (code !== undefined) {
        const redeemed = await redeem(code);
        code = undefined;
        refused = redeemed === undefined; // an older token of this tab may still do
        if (redeemed !== undefined) sessionStorage.setItem(storageKey, redeemed.token);
      }
      asked = storedToken();
      if (asked === "") return forget(refused ? "link-used" : "no-link");
      const { name, roles, node, serverVersion } = await client().whoAmI({}, { timeoutMs });
      become({ kind: "in", who: { name, roles, node, serverVersion } });
    } catch (error) {
      if (ConnectError.from(error).code === Code.Unauthenticated) {
        // A newer link may have brought a newer token meanwhile; whoever stored that finds out whether it is good.
        if (asked === storedToken()) forget(refused ? "link-used" : "over");
      }
      // Who is in stays in: the parts of the page come back by themselves.
      else if (state.kind !== "in") become({ kind: "unreachable", message: faultOf(error).message });
    }
  }

  /** Undefined: the server does not take this code. Throws when it did not answer; the code is then still good. */
  function redeem(given: string) {
    return client()
      .redeemCode({ code: given }, { timeoutMs })
      .catch((error) => {
        if (isLostCall(error)) throw error;
        return undefined;
      });
  }

  return {
    get state() {
      return state;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    check,
    leave: () => forget("over"),
  };
}

/** The code of `#code=...`, taken out of the address and the history before anything else happens with it. */
function takeCode(): string | undefined {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (code === null) return undefined;
  history.replaceState(history.state, "", location.pathname + location.search);
  return code;
}

/**
 * Calls `refused` when the server no longer knows the caller, in whatever call it says so. A late call that carried an
 * older token than the stored one says nothing about that. To be placed after the interceptor that puts the token on.
 */
export function noticeRefusal(refused: () => void): Interceptor {
  return (next) => async (request) => {
    const sent = request.header.get("authorization");
    const look = (error: unknown): never => {
      const current = sent === `Bearer ${storedToken()}`.trim();
      if (current && ConnectError.from(error).code === Code.Unauthenticated) refused();
      throw error;
    };
    if (request.method.name === "RedeemCode") return next(request); // says that the code is bad, not the token
    const response = await next(request).catch(look);
    if (!response.stream) return response;
    const { message } = response;
    const watched = (async function* () {
      try {
        yield* message;
      } catch (error) {
        look(error);
      }
    })();
    return { ...response, message: watched };
  };
}
