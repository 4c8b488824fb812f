/** Whether this tab may call the server: redeems the one-time code of the page's link and keeps the token it gives. */

import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { isLostCall } from "../proto/client/faults.ts";
import { type AccessClient, faultOf } from "../proto/client/index.ts";
import { codeOf, type SignInFailure, takeCode, takeSignIn } from "./link-code.ts";
import { createSignedInNames, type SignedInNames } from "./signed-in-names.ts";

export interface Who {
  readonly name: string;
  readonly roles: readonly string[];
  /** What he may do, to some thing or other. */
  readonly may: readonly string[];
  readonly node: string;
  readonly serverVersion: string;
  /** What he came by: "link" or "provider" on a page. */
  readonly way: string;
}

/** The last three: what the way to the identity provider came to. */
export type OutReason = "no-link" | "link-used" | "over" | SignInFailure;

export type AccessState =
  | { readonly kind: "checking" }
  | { readonly kind: "in"; readonly who: Who }
  /** The sign-in ended while the page was in use. What it shows stays, and the same person's next link goes on with it. */
  | { readonly kind: "over"; readonly who: Who }
  /** No token, or one that is no longer good: the page needs a new link. */
  | { readonly kind: "out"; readonly why: OutReason }
  /** The server did not answer; trying again is sensible. */
  | { readonly kind: "unreachable"; readonly message: string };

/** A link of somebody else. Nothing was replaced yet: `answer` does that, or not. */
export interface Offer {
  readonly name: string;
  /** Who is signed in now: in this tab, or in others of this browser. Never `name` itself. */
  readonly instead: readonly string[];
  /** Whether it is this tab that would change hands. */
  readonly here: boolean;
}

/** What became of a link that a person pasted; "asked": it is somebody else's, see `offer`. */
export type LinkOutcome = "in" | "asked" | "no-link" | "link-used" | "unreachable";

export interface Access {
  readonly state: AccessState;
  readonly offer: Offer | undefined;
  /** The page was loaded by a link, or by the way back from the identity provider. */
  readonly cameByLink: boolean;
  /** The identity provider by which one can sign in, in words; empty without one, or while that is not known. */
  readonly provider: string;
  /** Told when the state or the offer changes. */
  subscribe(listener: () => void): () => void;
  /** Takes the code out of the address, if there is one, and finds out who the caller is. Never throws. */
  check(): Promise<void>;
  /** Signs in by a link, or by the code in it. Never throws. */
  use(link: string): Promise<LinkOutcome>;
  /** Takes the offer, or leaves all as it was. */
  answer(take: boolean): Promise<void>;
  /** The server no longer knows the token. Who was in keeps what is on the page. */
  refused(): void;
  /** Somebody looks at the page again: another tab of this browser may have signed in or out by the provider. Never throws. */
  lookedAt(): Promise<void>;
  /**
   * Ends the token of this tab, and forgets it also when the server cannot be asked; or ends the browser's sign-in by the
   * provider. All that the page shows goes with it. Never throws.
   */
  leave(): Promise<void>;
}

const storageKey = "bartizan.token";
const timeoutMs = 10_000;
/** Who leaves is not kept waiting for a server that is away. */
const leaveMs = 3000;

/** The token lives in sessionStorage: of this origin with its port, of this tab, and gone with it. */
export function storedToken(): string {
  return sessionStorage.getItem(storageKey) ?? "";
}

export function createAccess(
  client: () => AccessClient,
  signedIn: SignedInNames = createSignedInNames(globalThis.navigator?.locks),
): Access {
  const listeners = new Set<() => void>();
  let state: AccessState = { kind: "checking" };
  let offer: (Offer & { readonly token: string }) | undefined;
  let code: string | undefined;
  let cameByLink = false;
  let provider = "";
  let failure: SignInFailure | undefined;
  const tell = () => {
    for (const listener of listeners) listener();
  };
  const become = (next: AccessState) => {
    state = next;
    // Who only has to show a new link is not gone yet.
    signedIn.hold(next.kind === "in" || next.kind === "over" ? next.who.name : undefined);
    tell();
  };
  const forget = (why: OutReason) => {
    sessionStorage.removeItem(storageKey);
    if (state.kind !== "out") become({ kind: "out", why });
  };
  const present = () => (state.kind === "in" || state.kind === "over" ? state.who : undefined);

  async function check(): Promise<void> {
    const found = takeCode();
    const cameBack = takeSignIn();
    failure = cameBack === "done" ? undefined : (cameBack ?? failure);
    cameByLink ||= found !== undefined || cameBack === "done";
    code = found ?? code;
    await enter();
  }

  async function enter(): Promise<LinkOutcome> {
    let refused = false;
    let asked = "";
    if (state.kind === "out") become({ kind: "checking" });
    try {
      if (code !== undefined) {
        const before = present()?.name ?? (await nameOfStored());
        const redeemed = await redeem(code);
        code = undefined;
        refused = redeemed === undefined; // an older token of this tab may still do
        if (redeemed !== undefined && (await isForeign(redeemed, before))) return "asked";
        if (redeemed !== undefined) sessionStorage.setItem(storageKey, redeemed.token);
      }
      asked = storedToken();
      // Without a token of its own the tab may have the cookie of a sign-in, which no script sees.
      const who = asked === "" ? await whoByCookie() : await whoIs();
      if (who === undefined) {
        if (state.kind !== "over") forget(refused ? "link-used" : (failure ?? "no-link"));
        return refused ? "link-used" : "no-link";
      }
      become({ kind: "in", who });
      return refused ? "link-used" : "in";
    } catch (error) {
      if (ConnectError.from(error).code === Code.Unauthenticated) {
        // A newer link may have brought a newer token meanwhile; whoever stored that finds out whether it is good.
        if (asked === storedToken()) lose(refused ? "link-used" : "over");
        return "link-used";
      }
      // Who is in stays in: the parts of the page come back by themselves.
      if (present() === undefined) become({ kind: "unreachable", message: faultOf(error).message });
      return "unreachable";
    }
  }

  async function whoIs(): Promise<Who> {
    const { name, roles, may, node, serverVersion, way } = await client().whoAmI({}, { timeoutMs });
    return { name, roles, may, node, serverVersion, way };
  }

  async function learnProvider(): Promise<void> {
    ({ provider } = await client().getSignInWays({}, { timeoutMs }));
  }

  /** Undefined: nobody is signed in by the provider in this browser, or there is none. */
  async function whoByCookie(): Promise<Who | undefined> {
    await learnProvider();
    if (provider === "") return undefined;
    return await whoIs().catch((error) => {
      if (ConnectError.from(error).code === Code.Unauthenticated) return undefined;
      throw error;
    });
  }

  /** Whoever would give up the identity of this tab, or stands beside another in this browser, is asked first. */
  async function isForeign({ name, token }: { name: string; token: string }, before: string | undefined) {
    const here = before !== undefined && before !== name;
    const instead = here ? [before] : (await signedIn.names()).filter((each) => each !== name);
    if (instead.length === 0 || before === name) return false;
    offer = { name, token, instead, here };
    tell();
    // The tab goes on as it is; one that had nobody waits for the answer.
    if (present() === undefined && storedToken() !== "") await enter();
    return true;
  }

  /** Whose token this tab has from before it was loaded; undefined when it has none that is good. */
  function nameOfStored(): Promise<string | undefined> {
    if (storedToken() === "") return Promise.resolve(undefined);
    return client()
      .whoAmI({}, { timeoutMs })
      .then(({ name }) => name)
      .catch((error) => {
        if (ConnectError.from(error).code === Code.Unauthenticated) return undefined;
        throw error;
      });
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

  function lose(why: "link-used" | "over"): void {
    const who = present();
    sessionStorage.removeItem(storageKey);
    if (who === undefined) forget(why);
    else if (state.kind === "in") become({ kind: "over", who });
  }

  return {
    get state() {
      return state;
    },
    get offer() {
      return offer;
    },
    get cameByLink() {
      return cameByLink;
    },
    get provider() {
      return provider;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    check,
    async use(link) {
      const given = codeOf(link);
      if (given === undefined) return "no-link";
      code = given;
      const outcome = await enter();
      // A link that could not be shown to the server is tried by who pastes it again, not by the next check.
      code = undefined;
      return outcome;
    },
    async answer(take) {
      const taken = offer;
      offer = undefined;
      if (take && taken !== undefined) {
        sessionStorage.setItem(storageKey, taken.token);
        await enter();
      } else if (state.kind === "checking") forget("no-link");
      tell();
    },
    refused() {
      if (state.kind !== "in") return;
      lose("over");
      void learnProvider().then(tell, () => {});
    },
    async lookedAt() {
      if (provider === "" || storedToken() !== "" || offer !== undefined) return;
      const who = await whoByCookie().catch(() => null);
      if (who === null || storedToken() !== "") return;
      if (who === undefined) lose("over");
      else if (state.kind !== "in" || state.who.name !== who.name) become({ kind: "in", who });
    },
    async leave() {
      const { token, who } = { token: storedToken(), who: present() };
      if (token !== "") {
        await client()
          .logout({}, { timeoutMs: leaveMs })
          .catch(() => {});
        // A newer link may have come meanwhile.
        return [token, ""].includes(storedToken()) ? forget("over") : undefined;
      }
      if (who?.way !== "provider") return forget("over");
      // Only the server can end it. While it cannot be asked, the page says so, and the sign-in goes on.
      await client()
        .logout({}, { timeoutMs })
        .then(
          () => forget("over"),
          (error) => (ConnectError.from(error).code === Code.Unauthenticated ? forget("over") : undefined),
        );
    },
  };
}

/**
 * Calls `refused` when the server no longer knows the caller, in whatever call it says so. A late call that carried an
 * older token than the stored one says nothing about that: it fails as lost on the way, so that it is made again. To be
 * placed after the interceptor that puts the token on.
 */
export function noticeRefusal(refused: () => void): Interceptor {
  return (next) => async (request) => {
    const sent = request.header.get("authorization");
    const look = (error: unknown): never => {
      const { code, rawMessage } = ConnectError.from(error);
      if (code !== Code.Unauthenticated) throw error;
      const token = storedToken();
      if ((sent ?? "") === (token === "" ? "" : `Bearer ${token}`)) refused();
      else if (token !== "") throw new ConnectError(rawMessage, Code.Unavailable, undefined, undefined, error);
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
