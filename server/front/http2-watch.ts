/** Ends HTTP/2 sessions that cost more than they ask for: each kind of frame has an allowance (R58, CVE-2023-44487 and on). */
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Clock } from "../flow/clock.ts";

/** So many at once, and so many more each second. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

export interface Http2Rates {
  /** PING frames that are questions. gRPC clients measure their line with them, several a second. */
  readonly pings: Rate;
  readonly settings: Rate;
  /** Streams that the client reset. */
  readonly resets: Rate;
  /** Of headers as they are after unpacking, 32 for each besides, as HTTP/2 counts them (RFC 9113, 6.5.2). */
  readonly headerBytes: Rate;
  /** Bytes on the wire that brought neither data nor headers: whatever frame of no use there is. */
  readonly idleBytes: Rate;
}

export const usualHttp2Rates: Http2Rates = {
  pings: { burst: 1_000, perSecond: 100 },
  settings: { burst: 20, perSecond: 1 },
  resets: { burst: 1_000, perSecond: 50 },
  headerBytes: { burst: 4 * 1024 * 1024, perSecond: 1024 * 1024 },
  idleBytes: { burst: 2 * 1024 * 1024, perSecond: 256 * 1024 },
};

export interface Http2Watch {
  /** To be called about each second: what no event tells of is measured then, and an idle session let go. */
  look(): void;
}

/** Before somebody has shown a token on it, a connection has this part of what it may have then. */
const strangersPart = 1 / 16;
const sameForStrangers: ReadonlySet<keyof Http2Rates> = new Set(["settings", "pings"]);

export interface Http2WatchNeeds {
  readonly rates: Http2Rates;
  /** A session without a stream for so long is closed. */
  readonly idleMs: number;
  readonly isStranger: () => boolean;
  /** All bytes that came in on the connection so far. */
  readonly bytesRead: () => number;
  readonly clock: Clock;
  /** Called once, before the session is destroyed. */
  readonly onAbuse: (kind: keyof Http2Rates) => void;
}

export function watchHttp2(session: ServerHttp2Session, need: Http2WatchNeeds): Http2Watch {
  const { rates, idleMs, clock, onAbuse } = need;
  const left = { pings: 0, settings: 0, resets: 0, headerBytes: 0, idleBytes: 0 };
  for (const kind of Object.keys(left) as (keyof Http2Rates)[]) left[kind] = rates[kind].burst;
  let lookedAtMs = clock.monotonicMs();
  let usefulBytes = 0;
  let seenBytes = need.bytesRead();
  let open = 0;
  let quietSinceMs = clock.monotonicMs();
  let over = false;

  const spend = (kind: keyof Http2Rates, amount: number) => {
    left[kind] -= amount;
    const whole = sameForStrangers.has(kind) || !need.isStranger();
    const spared = whole ? 0 : rates[kind].burst * (1 - strangersPart);
    // What a session still tells of after its end is not asked for, and nothing can be said to it.
    if (left[kind] >= spared || over || session.destroyed) return;
    over = true;
    onAbuse(kind);
    session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    session.destroy();
  };
  session.on("ping", () => spend("pings", 1));
  session.on("remoteSettings", () => spend("settings", 1));
  session.on("stream", (stream: ServerHttp2Stream, _headers, _flags, raw: readonly string[]) => {
    let bytes = 0;
    for (let at = 0; at < raw.length; at += 2) bytes += (raw[at]?.length ?? 0) + (raw[at + 1]?.length ?? 0) + 32;
    usefulBytes += bytes;
    open += 1;
    stream.once("close", () => {
      open -= 1;
      quietSinceMs = clock.monotonicMs();
      if (session.destroyed) return;
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR && stream.aborted) spend("resets", 1);
    });
    // Data is handed to the stream by this call, and nothing tells of it earlier than its reader.
    const push = stream.push;
    stream.push = (chunk: Uint8Array | null, encoding?: BufferEncoding) => {
      usefulBytes += chunk?.length ?? 0;
      return push.call(stream, chunk, encoding);
    };
    spend("headerBytes", bytes);
  });
  return {
    look() {
      if (over || session.destroyed) return;
      const now = clock.monotonicMs();
      const seconds = (now - lookedAtMs) / 1000;
      lookedAtMs = now;
      for (const kind of Object.keys(left) as (keyof Http2Rates)[])
        left[kind] = Math.min(rates[kind].burst, left[kind] + rates[kind].perSecond * seconds);
      const read = need.bytesRead();
      const idle = read - seenBytes - usefulBytes;
      seenBytes = read;
      usefulBytes = 0;
      if (idle > 0) spend("idleBytes", idle);
      if (open === 0 && now - quietSinceMs >= idleMs && !session.closed) session.close();
    },
  };
}
