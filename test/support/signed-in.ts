/** A browser at the bastion's sign-in, without a browser: its cookies, and calls as the page would make them. */
import { createConnectTransport } from "@connectrpc/connect-web";
import { type Clients, createClients } from "../../proto/client/index.ts";
import { createPageTransport } from "./page-transport.ts";

export interface SignInBrowser extends Disposable {
  /** Begins a sign-in; gives back where the browser is sent. */
  begin(to?: string): Promise<string>;
  /** Goes to an address of the bastion, as after a redirect from another site; gives back where that leads. */
  comeBack(url: string): Promise<string>;
  /** By name, as the browser has them. */
  readonly cookies: Map<string, string>;
  /** `Set-Cookie` lines that came, in order. */
  readonly set: readonly string[];
  /** The page's clients, with the cookies of the moment. `headers` replace what its requests say of where they are from. */
  clients(headers?: Record<string, string>): Clients;
}

/** Disposing closes the streams of the clients. */
export function createSignInBrowser(base: string): SignInBrowser {
  const cookies = new Map<string, string>();
  const set: string[] = [];
  const open: Disposable[] = [];
  const header = () => Array.from(cookies, (each) => each.join("=")).join("; ");
  const keep = (response: Response) => {
    for (const line of response.headers.getSetCookie()) {
      set.push(line);
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === "") cookies.delete(name);
      else cookies.set(name, value);
    }
    return response;
  };
  const get = async (url: string, headers: Record<string, string>) => {
    const sent = { connection: "close", cookie: header(), ...headers };
    return keep(await fetch(url, { redirect: "manual", headers: sent }));
  };
  return {
    ...{ cookies, set },
    async begin(to = "sessions") {
      const answer = await get(`${base}/auth/login?to=${to}`, { "sec-fetch-site": "same-origin" });
      return answer.headers.get("location") ?? String(answer.status);
    },
    async comeBack(url) {
      const answer = await get(url, { "sec-fetch-site": "cross-site" });
      return answer.headers.get("location") ?? String(answer.status);
    },
    clients(headers = { "sec-fetch-site": "same-origin", origin: base }) {
      const unary = createConnectTransport({
        ...{ baseUrl: base, useBinaryFormat: true },
        fetch: async (input, init) => {
          const all = { ...Object.fromEntries(new Headers(init?.headers)), ...headers, cookie: header() };
          return keep(await fetch(input, { ...init, headers: all }));
        },
      });
      const streams = createPageTransport(base, undefined, headers.origin, () => ({ cookie: header() }));
      open.push(streams);
      return createClients({ unary: unary.unary.bind(unary), stream: streams.stream });
    },
    [Symbol.dispose]() {
      for (const each of open) each[Symbol.dispose]();
    },
  };
}
