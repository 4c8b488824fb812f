/** What watching across nodes does after a time: with short times, or a clock that moves when the test says so. */
import { expect, test } from "vitest";
import { systemClock } from "../../server/flow/clock.ts";
import { createMemoryHub } from "../../server/group/memory-bus.ts";
import { groupNames, openGroupNode, stateAfter } from "../support/group-node.ts";
import { until } from "../support/until.ts";

test("a view of a session whose holder stays silent ends with holder-unreachable, one cut off here stays open", async () => {
  const hub = createMemoryHub(systemClock);
  await using holder = await openGroupNode(hub, "web1");
  await using far = await openGroupNode(hub, "web2", { timing: { unreachableMs: 100 } });
  const { session } = await holder.open();
  const view = await far.watch(session.info);
  await until(() => view.items.length > 0, "he sees it");
  far.bus.setState({ up: false, sinceMs: 0, reason: "no Redis" });
  await new Promise((resolve) => setTimeout(resolve, 300));
  far.bus.setState({ up: true, sinceMs: 0 });
  far.mirrors.holderReach(holder.self, "unreachable", "web1 is silent.");
  await expect(view.over).rejects.toMatchObject({ word: "holder-unreachable" });
  await until(() => holder.relay.watchedElsewhere() === 0, "the holder was told");
});

test("a node that died: publishing stops when nobody takes the frames, its watchers leave when it was silent", async () => {
  const hub = createMemoryHub(systemClock);
  await using holder = await openGroupNode(hub, "web1", { timing: { unheardMs: 50, expiryMs: 600 } });
  await using far = await openGroupNode(hub, "web2", { timing: { keepMs: 3_600_000 } });
  const { session, pty } = await holder.open();
  const view = await far.watch(session.info);
  await until(() => session.info.attachments.length === 1 && view.items.length > 0, "he is seated");
  const channel = groupNames.output(session.info.id);
  let tried = 0;
  holder.bus.sending = (on) => {
    if (on === channel) tried += 1;
    return "unheard";
  };
  const stopped = async () => {
    const before = tried;
    for (let i = 0; i < 5; i++) await pty.print("more\r\n");
    await new Promise((resolve) => setTimeout(resolve, 30));
    return tried === before;
  };
  await until(stopped, "publishing stops");
  await until(() => session.info.attachments.length === 0, "his seat is given back");
  expect(holder.relay.watchedElsewhere()).toBe(0);
});

test("a node that says that it still watches keeps its seats, and one that was only deaf for a while goes on", async () => {
  const hub = createMemoryHub(systemClock);
  await using holder = await openGroupNode(hub, "web1", { timing: { unheardMs: 50, expiryMs: 600 } });
  await using far = await openGroupNode(hub, "web2", { timing: { keepMs: 100 } });
  const { session, pty } = await holder.open();
  const view = await far.watch(session.info);
  await until(() => session.info.attachments.length === 1 && view.items.length > 0, "he is seated");
  const channel = groupNames.output(session.info.id);
  holder.bus.sending = (on) => (on === channel ? "unheard" : "pass");
  for (let i = 0; i < 30; i++) {
    await pty.print(`${i}\r\n`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  holder.bus.sending = () => "pass";
  const offset = () => session.info.outputBytes;
  await new Promise((resolve) => setTimeout(resolve, 200));
  await pty.print("there again\r\n");
  await until(() => view.offset() === offset(), "he is where the session is");
  const all = `${Array.from({ length: 30 }, (_, i) => `${i}\r\n`).join("")}there again\r\n`;
  expect(view.state()).toEqual(stateAfter({ cols: 80, rows: 24 }, all));
  expect(session.info.attachments.length).toBe(1);
});

test("a watcher who lags and does not read is cut, alone", async () => {
  const hub = createMemoryHub(systemClock);
  await using holder = await openGroupNode(hub, "web1");
  await using far = await openGroupNode(hub, "web2", { timing: { slowMs: 200 } });
  const { session, pty } = await holder.open();
  const slow = await far.watch(session.info);
  const quick = await far.watch(session.info);
  await until(() => slow.items.length > 0 && quick.items.length > 0, "both see it");
  slow.pause();
  const line = "x".repeat(78);
  await until(async () => {
    for (let i = 0; i < 50; i++) await pty.print(`${line}\r\n`);
    return far.meter.counts().slowCuts === 1;
  }, "the slow one is cut");
  slow.resume();
  await expect(slow.over).rejects.toMatchObject({ word: "limit" });
  await until(() => quick.offset() === session.info.outputBytes, "the other one sees all");
  await until(() => session.info.attachments.length === 1, "his seat is given back");
});

test("a thousand joins within a second cost a few key frames", async () => {
  const hub = createMemoryHub(systemClock);
  await using holder = await openGroupNode(hub, "web1");
  await using far = await openGroupNode(hub, "web2");
  await using third = await openGroupNode(hub, "web3");
  const { session, pty } = await holder.open();
  await pty.print("hello");
  const startedMs = performance.now();
  const views = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? far : third).watch(session.info, { name: `w${i}` })),
  );
  await until(() => views.every((view) => view.text() === "hello"), "all see it");
  const seconds = (performance.now() - startedMs) / 1000;
  expect(holder.meter.counts().keyFramesSent).toBeLessThanOrEqual(1 + 4 * seconds);
});
