/** Starts a real identity provider for one test, and goes through its pages as a person would, without a browser. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { until } from "./until.ts";

export interface IdpSettings {
  /** Claims by account. */
  readonly people: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly clientId: string;
  readonly clientSecret: string;
}

export interface Idp extends AsyncDisposable {
  readonly issuer: string;
  /** From here on it sends people back to this address, and to no other. */
  allow(redirect: string): Promise<void>;
  /** Signs the account in at `url`, allows what is asked, and gives back where the provider sends the browser then. */
  approve(url: string, account: string): Promise<string>;
}

const program = fileURLToPath(new URL("idp-process.ts", import.meta.url));

export async function openIdp(settings: IdpSettings): Promise<Idp> {
  const child = spawn(process.execPath, [program, JSON.stringify(settings)], { stdio: ["pipe", "pipe", "pipe"] });
  const closed = once(child, "close");
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += data));
  const issuer = await until(() => /issuer=(\S+)\n/.exec(said)?.[1], "the identity provider listens");
  return {
    issuer,
    async allow(redirect) {
      await fetch(`${issuer}/allow?redirect=${encodeURIComponent(redirect)}`);
    },
    async approve(url, account) {
      const browser = createJar();
      let next = url;
      for (let step = 0; step < 12; step += 1) {
        const response = await browser(next);
        const location = response.headers.get("location");
        if (location !== null) {
          next = new URL(location, next).href;
          if (!next.startsWith(issuer)) return next;
          continue;
        }
        const page = await response.text();
        const action = /<form[^>]* action="([^"]+)"/.exec(page)?.[1];
        const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1];
        if (action === undefined || prompt === undefined) throw new Error(`the provider shows no form:\n${page}`);
        const form = new URLSearchParams({ prompt, ...(prompt === "login" ? { login: account, password: "x" } : {}) });
        const sent = await browser(new URL(action, next).href, form);
        next = new URL(sent.headers.get("location") ?? "", next).href;
        if (!next.startsWith(issuer)) return next;
      }
      throw new Error("the provider goes round in circles");
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await closed;
    },
  };
}

/** fetch with the cookies that a browser would keep; redirects are the caller's. */
export function createJar() {
  const cookies = new Map<string, string>();
  return async (url: string, form?: URLSearchParams): Promise<Response> => {
    const cookie = Array.from(cookies, (each) => each.join("=")).join("; ");
    const response = await fetch(url, {
      ...{ redirect: "manual", headers: cookie === "" ? {} : { cookie } },
      ...(form === undefined ? {} : { method: "POST", body: form }),
    });
    for (const each of response.headers.getSetCookie()) {
      const [, name = "", value = "", rest = ""] = /^([^=]+)=([^;]*)(.*)$/.exec(each) ?? [];
      if (value === "" || /max-age=0|expires=Thu, 01 Jan 1970/i.test(rest)) cookies.delete(name);
      else cookies.set(name, value);
    }
    return response;
  };
}
