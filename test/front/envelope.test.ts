import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { OutputSchema, ShellResponseSchema, WatchResponseSchema } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { createEnvelopeReader } from "../../server/front/envelope-reader.ts";
import { envelope, outputEnvelope } from "../../server/rpc/envelope.ts";
import { randomFrom } from "../support/random.ts";

const maxBytes = 64 * 1024;

function rig() {
  let paused = false;
  const flow = {
    pause: () => {
      paused = true;
    },
    resume: () => {
      paused = false;
    },
  };
  const reader = createEnvelopeReader(maxBytes, (data) => Buffer.from(data), flow);
  return { reader, paused: () => paused, messages: reader[Symbol.asyncIterator]() };
}

describe("output on the short way", () => {
  it("is the very bytes that the general encoder writes", () => {
    const random = randomFrom(11);
    const numbers = [0n, 1n, 127n, 128n, 16_383n, 16_384n, 2n ** 32n, 2n ** 35n - 1n, 2n ** 52n];
    for (let round = 0; round < 300; round += 1) {
      const data = random.bytes(random.pick([0, 1, 127, 128, 2047, 2048, 20_000]));
      const value = create(OutputSchema, { offset: random.pick(numbers), data, atMs: random.pick(numbers) });
      for (const [schema, number] of [
        [ShellResponseSchema, ShellResponseSchema.field.output.number],
        [WatchResponseSchema, WatchResponseSchema.field.output.number],
      ] as const) {
        const general = toBinary(
          schema,
          create(schema as typeof ShellResponseSchema, { event: { case: "output", value } }),
        );
        const short = Buffer.concat(outputEnvelope(number, value));
        expect(short.equals(envelope(0, general))).toBe(true);
      }
    }
  });
});

describe("reading envelopes", () => {
  it("gives the same messages however the body is cut", async () => {
    const random = randomFrom(5);
    const bodies = Array.from({ length: 40 }, () => random.bytes(random.below(3000)));
    const all = Buffer.concat(bodies.map((body) => envelope(0, body)));
    for (const most of [1, 3, 7, 1000, all.length]) {
      const { reader, messages } = rig();
      for (let at = 0; at < all.length; ) {
        const size = 1 + random.below(most);
        reader.push(all.subarray(at, at + size));
        at += size;
      }
      reader.end();
      for (const body of bodies) expect((await messages.next()).value?.equals(body)).toBe(true);
      expect((await messages.next()).done).toBe(true);
    }
  });

  it("stops the flow of empty messages as of any others, and lets it go on when they are taken", async () => {
    const { reader, paused, messages } = rig();
    let sent = 0;
    while (!paused() && sent < 100_000) {
      reader.push(Buffer.from(envelope(0, new Uint8Array())));
      sent += 1;
    }
    expect(sent).toBeLessThan(1000);
    while (paused()) await messages.next();
  });

  it("drops what nobody reads any more", () => {
    const { reader, paused } = rig();
    reader.stop();
    for (let sent = 0; sent < 10_000; sent += 1) reader.push(Buffer.from(envelope(0, new Uint8Array(100))));
    expect(paused()).toBe(false);
  });

  it("takes a message that comes byte by byte", async () => {
    const { reader, messages } = rig();
    const body = envelope(0, new Uint8Array(maxBytes).fill(7));
    for (let at = 0; at < body.length; at += 1) reader.push(Buffer.from(body.subarray(at, at + 1)));
    expect((await messages.next()).value?.length).toBe(maxBytes);
  });

  it.each([
    ["over the limit", [0, 0xff, 0xff, 0xff, 0xff], "resource_exhausted"],
    ["that is compressed", [1, 0, 0, 0, 1, 0], "invalid_argument"],
  ])("refuses a message %s", async (_name, bytes, code) => {
    const { reader, messages } = rig();
    reader.push(Buffer.from(bytes));
    await expect(messages.next()).rejects.toThrow(code);
  });

  it("tells a body that is cut short", async () => {
    const { reader, messages } = rig();
    reader.push(Buffer.from([0, 0, 0, 0, 9, 1]));
    reader.end();
    await expect(messages.next()).rejects.toThrow("cut short");
  });
});
