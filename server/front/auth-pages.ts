/** /auth/login and /auth/callback: the way to the identity provider and back. Answers with redirects alone, to a closed list. */
import type { ServerResponse } from "node:http";
import { type BartizanFault, faultFrom } from "../errors.ts";
import type { Log } from "../log.ts";
import { awayCookie, clearingCookie, cookieOf, settingCookie, signInCookie } from "../rpc/cookies.ts";
import type { Peer } from "../rpc/guard.ts";
import type { NodeRequest, NodeResponse } from "./adapter.ts";
import { callHeaders } from "./answer-headers.ts";

/** What the server knows of it; where to go is a word of its own list. */
export interface SignInDoor {
  begin(place: string, address: string): Promise<{ readonly url: string; readonly secret: string }>;
  finish(
    query: string,
    secret: string | undefined,
    address: string,
  ): Promise<{ readonly cookie: string; readonly place: string }>;
}

export interface AuthPages {
  /** False: this is no request for them. */
  serve(request: NodeRequest, response: NodeResponse, peer: Peer): boolean;
}

/** What the page is told in its fragment when it did not work. */
const wentWrong = (fault: BartizanFault) =>
  `/#sign-in=${{ "provider-unreachable": "unreachable", limit: "limit" }[fault.word as string] ?? "refused"}`;

/** Without a door there are no such pages. */
export function createAuthPages(door: SignInDoor | undefined, log: Log): AuthPages {
  return {
    serve(request, response, peer) {
      const [path = "", query = ""] = (request.url ?? "/").split("?", 2);
      if (door === undefined || (path !== "/auth/login" && path !== "/auth/callback")) return false;
      const failed = (error: unknown) => {
        const fault = faultFrom(error);
        if (fault.word === "internal") log.error({ err: error }, "sign-in failed");
        redirect(response, wentWrong(fault), [clearingCookie(awayCookie)]);
      };
      if (request.method !== "GET") answer(response, 405, {});
      // Another site may bring somebody back, but not send him away: that is the person's own act.
      else if (path === "/auth/login" && isForeign(request)) answer(response, 403, {});
      else if (path === "/auth/login")
        door.begin(new URLSearchParams(query).get("to") ?? "", peer.address).then(({ url, secret }) => {
          redirect(response, url, [settingCookie(awayCookie, secret)]);
        }, failed);
      else
        door.finish(query, cookieOf(request.headers.cookie, awayCookie), peer.address).then(({ cookie, place }) => {
          peer.authenticated();
          const to = place === "targets" ? "/" : `/${place}`;
          redirect(response, `${to}#sign-in=done`, [settingCookie(signInCookie, cookie), clearingCookie(awayCookie)]);
        }, failed);
      return true;
    },
  };
}

function isForeign({ headers }: NodeRequest): boolean {
  const site = headers["sec-fetch-site"];
  return site !== undefined && site !== "same-origin" && site !== "none";
}

function redirect(response: NodeResponse, location: string, cookies: readonly string[]): void {
  answer(response, 303, { location, "set-cookie": [...cookies] });
}

function answer(response: NodeResponse, status: number, headers: Record<string, string | string[]>): void {
  if (response.headersSent || response.destroyed) return;
  (response as ServerResponse).writeHead(status, { ...callHeaders, ...headers });
  response.end();
}
