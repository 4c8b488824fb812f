/** What the text frames of a call's WebSocket say; the client's half of it is proto/client/ws-transport.ts. */

/**
 * The client's first frame brings the call's headers; `end` is the end of the request body, which a WebSocket has no sign
 * of its own for; `taken` tells how many bytes of the response the client has taken over so far.
 */
export type ClientFrame =
  | { readonly kind: "headers"; readonly header: Headers }
  | { readonly kind: "end" }
  | { readonly kind: "taken"; readonly bytes: number };

const maxFrameBytes = 16 * 1024;
const maxHeaders = 64;
/** What speaks of the connection itself is the upgrade request's to say, not the script's. */
const notTheirs = /^(cookie2?|host|origin|forwarded|via|x-forwarded-.*|x-real-ip|sec-.*|proxy-.*|connection|upgrade)$/i;

/** Undefined for anything that is no such frame. */
export function readClientFrame(data: Buffer): ClientFrame | undefined {
  if (data.length > maxFrameBytes) return undefined;
  let frame: unknown;
  try {
    frame = JSON.parse(data.toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof frame !== "object" || frame === null) return undefined;
  if ("end" in frame) return frame.end === true ? { kind: "end" } : undefined;
  if ("taken" in frame) {
    const { taken } = frame;
    return Number.isSafeInteger(taken) && (taken as number) >= 0
      ? { kind: "taken", bytes: taken as number }
      : undefined;
  }
  if (!("headers" in frame) || !Array.isArray(frame.headers) || frame.headers.length > maxHeaders) return undefined;
  const header = new Headers();
  for (const pair of frame.headers as unknown[]) {
    if (!Array.isArray(pair) || typeof pair[0] !== "string" || typeof pair[1] !== "string") return undefined;
    try {
      if (!notTheirs.test(pair[0])) header.append(pair[0], pair[1]);
    } catch {
      return undefined; // no name or value of a header
    }
  }
  return { kind: "headers", header };
}

/** The server's first frame. It promises a frame of some kind at least every `aliveMs` until the call ends. */
export function responseFrame(status: number, contentType: string, aliveMs: number): string {
  return JSON.stringify({ status, headers: [["content-type", contentType]], aliveMs });
}

/** Keeps that promise when there is nothing else to send: a page's script sees no pings of WebSockets. */
export const aliveFrame = JSON.stringify({ alive: true });
