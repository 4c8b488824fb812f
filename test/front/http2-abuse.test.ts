import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClients } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { floods } from "../support/floods.ts";
import { createHeldClock, createPartlyHeldClock, type HeldClock } from "../support/held-clock.ts";
import { frame, framesIn, frameTypes, openRawHttp2 } from "../support/http2-frames.ts";
import { selfSigned } from "../support/self-signed.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";

/** Long enough that it is never the reason here; no other timer has this length. */
const unauthenticatedMs = 599_999;
const lookMs = 1_000;
/** What one flood here brings about must not show in the next. */
const strikes = { burst: 1e9, everyMs: 1 };
let bastion: TestBastion;
let clock: HeldClock;
beforeAll(async () => {
  clock = createPartlyHeldClock(lookMs);
  bastion = await openTestBastion({ clock, limits: { unauthenticatedMs, strikes } });
});
afterAll(() => bastion[Symbol.asyncDispose]());

describe("an HTTP/2 connection is closed when it sends", () => {
  it.each(Object.keys(floods(0)))("%s without end", async (name) => {
    const flood = floods(bastion.port)[name];
    const raw = openRawHttp2(bastion.port);
    let sent = 0;
    for (let batch = 0; ; batch += 1) {
      const bytes = flood?.(batch) ?? Buffer.alloc(0);
      sent += bytes.length;
      if (!(await raw.write(bytes))) break;
      clock.pass(lookMs);
      expect(sent).toBeLessThan(64 * 1024 * 1024);
    }
    await raw.closed;
    expect((await bastion.clients().access.whoAmI({})).node).toBe("test");
  });
});

it("is measured under TLS as in clear", async () => {
  const tls = selfSigned();
  await using own = await openTestBastion({ clock, limits: { unauthenticatedMs, strikes, tls } });
  const flood = floods(own.port)["window updates (CVE-2026-21714)"];
  const raw = openRawHttp2(own.port, { ca: tls.cert });
  let sent = 0;
  for (let batch = 0; ; batch += 1) {
    const bytes = flood?.(batch) ?? Buffer.alloc(0);
    sent += bytes.length;
    if (!(await raw.write(bytes))) break;
    clock.pass(lookMs);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  }
  await raw.closed;
  expect(sent).toBeGreaterThan(100 * 1024);
});

it("is told with GOAWAY that it asks too much", async () => {
  const raw = openRawHttp2(bastion.port);
  const ping = frame(frameTypes.ping, 0, 0, Buffer.alloc(8));
  while (await raw.write(Buffer.concat(Array<Buffer>(100).fill(ping))));
  await raw.closed;
  const goaway = framesIn(raw.received()).find(({ type }) => type === frameTypes.goaway);
  expect(goaway?.payload.readUInt32BE(4)).toBe(11); // ENHANCE_YOUR_CALM
});

it("may send what an honest client does: pings to measure its line, some resets, many calls", async () => {
  const raw = openRawHttp2(bastion.port);
  for (let round = 0; round < 5; round += 1) {
    const frames = Array<Buffer>(100).fill(frame(frameTypes.ping, 0, 0, Buffer.alloc(8)));
    expect(await raw.write(Buffer.concat(frames))).toBe(true);
    clock.pass(lookMs);
  }
  const acks = () =>
    framesIn(raw.received()).filter(({ type, flags }) => type === frameTypes.ping && flags === 1).length;
  await until(() => acks() === 500, "every ping is answered");
  const clients = bastion.clients();
  for (let round = 0; round < 300; round += 1) await clients.access.whoAmI({});
  for (let round = 0; round < 50; round += 1) {
    const leave = new AbortController();
    for await (const _ of clients.sessions.watchSessions({}, { signal: leave.signal })) {
      leave.abort();
      break;
    }
  }
  await clients.access.whoAmI({});
  raw.socket.destroy();
  await raw.closed;
});

it("is let go when it had no call for long, and not while it has one", async () => {
  const held = createHeldClock();
  const partly = { ...createPartlyHeldClock(lookMs), monotonicMs: held.monotonicMs };
  await using own = await openTestBastion({ clock: partly, limits: { http2IdleMs: 300_000, unauthenticatedMs } });
  const clients = own.clients();
  const leave = new AbortController();
  const stream = clients.sessions.watchSessions({}, { signal: leave.signal })[Symbol.asyncIterator]();
  await stream.next();
  const raw = openRawHttp2(own.port);
  await until(() => own.connections() === 2, "both are there");
  held.pass(299_000);
  partly.pass(lookMs);
  expect(own.connections()).toBe(2);
  held.pass(1_001);
  partly.pass(lookMs);
  await raw.closed;
  await until(() => own.connections() === 1, "the one with a call stays");
  const next = stream.next();
  leave.abort();
  await next.catch(() => {});
});

it("that was closed for asking too much is not simply begun again: its address is out for ten seconds, others are not", async () => {
  const held = createHeldClock();
  const partly = { ...createPartlyHeldClock(lookMs), monotonicMs: held.monotonicMs };
  await using own = await openTestBastion({ clock: partly, limits: { unauthenticatedMs } });
  const localAddress = "127.0.4.4";
  const ping = frame(frameTypes.ping, 0, 0, Buffer.alloc(8));
  const flooding = openRawHttp2(own.port, { localAddress });
  while (await flooding.write(Buffer.concat(Array<Buffer>(100).fill(ping))));
  await flooding.closed;
  const again = openRawHttp2(own.port, { localAddress });
  await again.closed;
  expect(again.received()).toHaveLength(0);
  await own.clients().access.whoAmI({});
  held.pass(10_001);
  const later = openRawHttp2(own.port, { localAddress });
  await until(() => later.received().length > 0, "it is heard again");
  later.socket.destroy();
  await later.closed;
});

it("may be opened and dropped as often as a person runs commands", async () => {
  await using own = await openTestBastion();
  for (let round = 0; round < 40; round += 1) {
    using transport = createNodeTransport({ baseUrl: own.url, token: own.token });
    await createClients(transport).access.whoAmI({});
  }
});
