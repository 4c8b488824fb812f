/** Deliveries to a webhook: batches of lines by POST, signed with a shared secret; any 2xx is a receipt. */
import { createHmac } from "node:crypto";
import { request as requestClear } from "node:http";
import { request as requestSecure } from "node:https";
import type { Clock } from "../flow/clock.ts";
import type { Delivery } from "./export-runner.ts";

export interface WebhookNeeds {
  readonly url: string;
  readonly secret: string;
  /** PEM; undefined: the system's. */
  readonly ca: string | undefined;
  readonly clock: Clock;
}

const patienceMs = 15_000;

/** Follows no redirects: a batch goes where the config says, or nowhere. */
export function openWebhook({ url, secret, ca, clock }: WebhookNeeds): Delivery {
  return {
    name: "webhook",
    async send(lines, signal) {
      const body = Buffer.from(lines.map(({ text }) => `${text}\n`).join(""));
      const headers = {
        "content-type": "application/x-ndjson",
        "content-length": body.length,
        "user-agent": "bartizan",
        "bartizan-signature": signatureOf(body, secret, clock.wallMs()),
        "bartizan-first": String(lines[0]?.line.n ?? 0),
        "bartizan-last": String(lines.at(-1)?.line.n ?? 0),
      };
      const status = await post(url, { body, headers, ca, clock }, signal);
      if (status < 200 || status > 299) throw new Error(`the webhook answered ${status}`);
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** "t=SECONDS,v1=HEX": the HMAC-SHA-256 over the seconds, a dot and the body. */
export function signatureOf(body: Uint8Array, secret: string, wallMs: number): string {
  const seconds = Math.floor(wallMs / 1000);
  const hmac = createHmac("sha256", secret).update(`${seconds}.`).update(body).digest("hex");
  return `t=${seconds},v1=${hmac}`;
}

interface Post {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly ca: string | undefined;
  readonly clock: Clock;
}

/** The status of the answer, as soon as it is known. */
async function post(url: string, { body, headers, ca, clock }: Post, signal: AbortSignal): Promise<number> {
  const limit = new AbortController();
  using _timer = clock.after(patienceMs, () => limit.abort(new Error("the webhook does not answer")));
  const either = AbortSignal.any([signal, limit.signal]);
  return await new Promise<number>((resolve, reject) => {
    const options = { method: "POST", headers: { ...headers }, agent: false, signal: either } as const;
    const request = url.startsWith("https:")
      ? requestSecure(url, { ...options, ...(ca === undefined ? {} : { ca }) })
      : requestClear(url, options);
    request.on("error", (error) => reject(limit.signal.aborted ? limit.signal.reason : error));
    request.once("response", (response) => {
      resolve(response.statusCode ?? 0);
      // What it has to say is not read.
      response.destroy();
    });
    request.end(body);
  });
}
