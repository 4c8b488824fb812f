/** A33: what nobody has logged in for costs little, ends soon, and keeps nobody out. The real program, its real limits. */
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bearer, createClients } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { floods } from "../support/floods.ts";
import { openRawHttp2 } from "../support/http2-frames.ts";
import { selfSigned } from "../support/self-signed.ts";
import { openServed, type Served } from "../support/served.ts";
import { until } from "../support/until.ts";

const tls = selfSigned();
let served: Served;
/** Nobody attacks this one: how long it takes is what the machine, which has other work, takes for anything. */
let control: Served;
beforeAll(async () => {
  served = await openServed(
    "listen: { port: 0, tls: { cert: cert.pem, key: key.pem } }\ndemo: false\nsshConfig: false\nlog: warn\n",
    // Without the 256 MiB that V8 may otherwise fill before it looks what of them is still needed.
    { files: { "cert.pem": tls.cert, "key.pem": tls.key }, flags: [] },
  );
  control = await openServed("listen: { port: 0 }\ndemo: false\nsshConfig: false\nlog: warn\n");
  for (let round = 0; round < 300; round += 1) await login(served);
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await control[Symbol.asyncDispose]();
});

/** A caller with a right token on a connection of his own, by HTTP/2 in clear; how long he waited. */
async function login({ url, token }: Served): Promise<number> {
  const startedMs = performance.now();
  using transport = createNodeTransport({
    baseUrl: url.replace("https:", "http:"),
    interceptors: [bearer(token)],
  });
  await createClients(transport).access.whoAmI({});
  return performance.now() - startedMs;
}

/** Lets `attack` go on, logs in all the while, and holds the server to its promises. */
async function underAttack(attack: (over: () => boolean) => Promise<void>): Promise<void> {
  const restingBytes = served.rssBytes();
  let over = false;
  const attacking = attack(() => over);
  const waits: number[] = [];
  const usual: number[] = [];
  try {
    for (let round = 0; round < 40; round += 1) {
      usual.push(await login(control));
      waits.push(await login(served));
    }
  } finally {
    over = true;
    await attacking;
  }
  expect(served.alive()).toBe(true);
  expect(waits.toSorted((one, other) => one - other).at(-2)).toBeLessThan(1_000 + Math.max(...usual));
  const grownBytes = served.rssBytes() - restingBytes;
  if (process.env.BARTIZAN_TEST_LOG !== undefined) process.stdout.write(`memory grew by ${grownBytes / 2 ** 20} MiB\n`);
  expect(grownBytes).toBeLessThan(100 * 1024 * 1024);
}

function open(localAddress: string, first: string | Uint8Array = ""): Socket {
  const socket = connect({ host: "127.0.0.1", port: served.port, localAddress }).on("error", () => {});
  socket.resume();
  if (first.length > 0) socket.write(first);
  return socket;
}
const closed = (socket: Socket) => until(() => socket.closed, "the connection is closed");
const path = "/bartizan.v1.SessionService/Kick";
const head = (more: string) => `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${served.port}\r\n${more}\r\n`;
const sourceOf = (index: number) => `127.${10 + (index >> 16)}.${(index >> 8) & 255}.${1 + (index % 200)}`;

/** Connections of one net, and of many; some begin a TLS handshake. No faster than they are taken. */
async function storm(count: number): Promise<void> {
  const hello = Buffer.from("16030100f8010000f40303", "hex");
  const sockets = new Set<Socket>();
  let pending = 0;
  for (let index = 0; index < count; index += 1) {
    const localAddress = index % 2 === 0 ? `127.9.9.${1 + (index % 250)}` : sourceOf(index);
    const socket = open(localAddress, index % 3 === 0 ? "" : hello);
    sockets.add(socket);
    pending += 1;
    socket.once("connect", () => (pending -= 1));
    socket.once("close", () => sockets.delete(socket));
    if (pending > 100) await until(() => pending < 50, "they are taken");
  }
  await until(() => sockets.size <= 256, "no more than the strangers' share is left");
  const left = [...sockets];
  for (const socket of left) socket.destroy();
  await Promise.all(left.map(closed));
}

describe("an honest caller gets in, in time and in bounded memory,", () => {
  test("beside bodies that are said to be huge", async () => {
    await underAttack(async (over) => {
      const sockets: Socket[] = [];
      for (let index = 0; index < 500 && !over(); index += 1) {
        sockets.push(
          open(sourceOf(index * 50), head("Content-Type: application/json\r\nContent-Length: 4000000000\r\n")),
        );
        if (index % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      for (const socket of sockets) socket.destroy();
    });
  });

  test("beside bodies that swell when they are unpacked, which nobody unpacks", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const statuses = new Set<number>();
    await underAttack(async (over) => {
      while (!over()) {
        const session = connectHttp2(served.url.replace("https:", "http:"));
        session.on("error", () => {});
        const stream = session.request({
          ...{ ":method": "POST", ":path": "/bartizan.v1.AccessService/RedeemCode" },
          ...{ "content-type": "application/json", "content-encoding": "gzip" },
        });
        stream.on("error", () => {});
        stream.end(bomb);
        await new Promise<void>((resolve) => {
          stream.once("response", (headers) => statuses.add(Number(headers[":status"])));
          stream.once("close", () => resolve());
          stream.resume();
        });
        session.destroy();
      }
    });
    expect([...statuses].every((status) => status >= 400)).toBe(true);
  });

  test("beside headers and bodies that come a byte at a time", async () => {
    await underAttack(async (over) => {
      const sockets = Array.from({ length: 300 }, (_, index) =>
        open(
          sourceOf(index * 90),
          index % 2 === 0 ? "GET / HTTP/1.1\r\nHost: x\r\n" : head("Content-Length: 5000\r\n"),
        ),
      );
      while (!over()) {
        for (const socket of sockets) if (!socket.destroyed) socket.write("x");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      for (const socket of sockets) socket.destroy();
    });
  });

  test("beside ten thousand connections that say nothing, or begin TLS and no more, and again for no more memory", async () => {
    await underAttack(() => storm(10_000));
    const afterBytes = served.rssBytes();
    await storm(5_000);
    expect(served.rssBytes() - afterBytes).toBeLessThan(50 * 1024 * 1024);
  });

  test.each(Object.keys(floods(0)))("beside a flood of %s, whose sender is hung up on", async (name) => {
    let closings = 0;
    // What no event tells of is measured each second, and the honest callers may be done sooner.
    const givenUpMs = performance.now() + 20_000;
    await underAttack(async (honestOver) => {
      const over = () => honestOver() && (closings > 0 || performance.now() > givenUpMs);
      const lane = async (localAddress: string) => {
        while (!over()) {
          const raw = openRawHttp2(served.port, { localAddress });
          for (
            let batch = 0;
            !over() && (await raw.write(floods(served.port)[name]?.(batch) ?? Buffer.alloc(0)));
            batch += 1
          );
          if (raw.socket.destroyed) closings += 1;
          raw.socket.destroy();
          await raw.closed;
        }
      };
      const net = 1 + Object.keys(floods(0)).indexOf(name);
      await Promise.all([lane(`127.8.${net}.1`), lane(`127.7.${net}.1`)]);
    });
    // One that asks for nothing forbidden is cut off by its time without a token, which is longer than this.
    if (name !== "requests") expect(closings).toBeGreaterThan(0);
  });
});

test("nothing of all that is a fault of the server's own", () => {
  expect(served.said()).not.toMatch(/internal fault|uncaught|unhandled/i);
});
