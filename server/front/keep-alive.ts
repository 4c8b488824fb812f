/** Pings an HTTP/2 session so that a peer that silently went away is noticed: nothing else would, for minutes. */
import type { ServerHttp2Session } from "node:http2";
import type { Clock } from "../flow/clock.ts";

/** One miss ends the session, and with it its calls' signals. */
export function keepAlive(session: ServerHttp2Session, everyMs: number, clock: Clock): Disposable {
  let answered = true;
  return clock.every(everyMs, () => {
    if (session.destroyed) return;
    if (!answered) return void session.destroy();
    answered = false;
    session.ping((error) => {
      if (error === null) answered = true;
    });
  });
}
