import { afterEach, beforeEach, expect, it } from "vitest";
import { createClients, SessionState } from "../../proto/client/index.ts";
import { openSessionFeed, type SessionFeed } from "../../web/session-feed.ts";
import { createMemoryTarget, type MemoryTarget } from "../support/memory-target.ts";
import { createPageTransport, type PageTransport } from "../support/page-transport.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

let memory: MemoryTarget;
let bastion: TestBastion;
let transport: PageTransport;
let life: AbortController;
beforeEach(async () => {
  memory = createMemoryTarget({ echo: true });
  bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial, principals: { alice: ["operator"] } });
  transport = createPageTransport(bastion.url, bastion.token);
  life = new AbortController();
});
afterEach(async () => {
  life.abort();
  transport[Symbol.dispose]();
  await bastion[Symbol.asyncDispose]();
});

const openFeed = () => openSessionFeed(createClients(transport).sessions, life.signal);
const states = (feed: SessionFeed) => feed.state.sessions.map(({ id, state }) => [id, state]);

async function openSession() {
  const operator = operate(bastion.clients("token-alice"), "memory");
  const { session } = await operator.started();
  const pty = memory.pty();
  return { id: session.id, operator, exit: () => pty.exit({ kind: "exited", code: 0 }) };
}

it("shows sessions as they come and go, the newest first and ended ones below", async () => {
  const feed = openFeed();
  let told = 0;
  feed.subscribe(() => {
    told += 1;
  });
  expect(feed.state.kind).toBe("loading");
  await until(() => feed.state.kind === "live", "the list is there");
  expect(feed.state.sessions).toEqual([]);
  const first = await openSession();
  const second = await openSession();
  await until(() => feed.state.sessions.length === 2, "both are listed");
  first.exit();
  await first.operator.ended();
  await until(() => feed.state.sessions[1]?.state === SessionState.ENDED, "the end is listed");
  expect(states(feed)).toEqual([
    [second.id, SessionState.ATTACHED],
    [first.id, SessionState.ENDED],
  ]);
  await until(() => told > 1, "who listens is told");
  second.exit();
  await second.operator.ended();
});

it("a session that ended before the page was opened is listed with its cause", async () => {
  const session = await openSession();
  session.exit();
  await session.operator.ended();
  const feed = openFeed();
  await until(() => feed.state.sessions.length === 1, "it is listed");
  expect(feed.state.sessions[0]).toMatchObject({ id: session.id, ended: { cause: { case: "exited" } } });
});

it("a lost connection leaves the list as it was, marked stale, until it comes back by itself with the news", async () => {
  const feed = openFeed();
  const session = await openSession();
  await until(() => feed.state.sessions.length === 1, "it is listed");
  const seen: string[] = [];
  feed.subscribe(() => {
    seen.push(feed.state.kind);
    if (feed.state.kind === "stale") expect(states(feed)).toEqual([[session.id, SessionState.ATTACHED]]);
  });
  transport.cut();
  await until(() => seen.includes("stale"), "the loss is told");
  session.exit();
  await session.operator.ended();
  await until(() => feed.state.kind === "live" && feed.state.sessions[0]?.state === SessionState.ENDED, "it is back");
  expect(seen.indexOf("stale")).toBeLessThan(seen.lastIndexOf("live"));
  expect(feed.state.lostAtMs).toBeUndefined();
});

it("aborting ends its call and tells nobody any more", async () => {
  const feed = openFeed();
  await until(() => feed.state.kind === "live", "the list is there");
  let told = 0;
  feed.subscribe(() => {
    told += 1;
  });
  life.abort();
  await until(() => transport.open === 0, "the call has ended");
  const session = await openSession();
  session.exit();
  await session.operator.ended();
  expect(told).toBe(0);
});
