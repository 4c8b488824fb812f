/** Watching a session that another node holds: the same screen, byte for byte, at a price that does not grow. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openedOn, openTwoNodes, scribble, size, type TwoNodes } from "../support/far-watching.ts";
import { exited, type GroupNode, stateAfter } from "../support/group-node.ts";
import { until } from "../support/until.ts";

let nodes: TwoNodes;
let holder: GroupNode;
let far: GroupNode;
const opened = () => openedOn(holder);

beforeEach(async () => {
  nodes = await openTwoNodes();
  ({ holder, far } = nodes);
});
afterEach(() => nodes[Symbol.asyncDispose]());

describe("a watcher on another node", () => {
  it("begins with the screen of this moment and sees each byte after it once", async () => {
    const { session, print, all, shown } = await opened();
    for (const piece of scribble(1, 40)) await print(piece);
    const view = await far.watch(session.info);
    expect(view.attachment).toMatchObject({ resumed: false, keyboard: undefined, self: { role: "watcher" } });
    expect(view.attachment.info).toMatchObject({ id: session.info.id, target: "memory", state: "detached" });
    expect(view.attachment.info.attachments.map(({ id }) => id)).toContain(view.attachment.self.id);
    for (const piece of scribble(2, 200)) await print(piece);
    await shown(view);
    expect(view.state()).toEqual(stateAfter(size, all()));
    expect(view.items.filter(({ kind }) => kind === "key-frame").length).toBe(1);
    expect(view.items[0]).toMatchObject({ kind: "key-frame", skippedBytes: 0 });
    expect(far.meter.counts()).toMatchObject({ gaps: {}, rejected: {} });
  });

  it("sees resizes in their places, notices, and how it ended, behind the last output", async () => {
    const { session, pty, print, shown } = await opened();
    const view = await far.watch(session.info);
    const leaving = new AbortController();
    const operator = await session.attach(
      { name: "alice" },
      "operator",
      { size: { cols: 100, rows: 30 } },
      leaving.signal,
    );
    void (async () => {
      for await (const _item of operator.view);
    })().catch(() => {});
    await print("wide".repeat(25));
    operator.keyboard?.resize({ cols: 60, rows: 20 });
    await print("narrow".repeat(20));
    session.tell({ kind: "notice", about: "info", text: "lunch" });
    await shown(view);
    const expected = stateAfter(
      size,
      { cols: 100, rows: 30 },
      "wide".repeat(25),
      { cols: 60, rows: 20 },
      "narrow".repeat(20),
    );
    await until(() => view.items.some(({ kind }) => kind === "notice"), "the notice came");
    expect(view.state()).toEqual(expected);
    const joined = view.items.find(({ kind }) => kind === "joined");
    expect(joined).toMatchObject({ who: { role: "operator", who: { name: "alice" } } });
    void print("\r\nbye");
    pty.exit(exited);
    await view.over;
    expect(view.items.at(-1)).toMatchObject({ kind: "ended", cause: exited });
    expect(view.text()).toContain("bye");
  });

  it("costs one subscription and one copy on his node, however many there are, and all see the same", async () => {
    const { session, print, all, shown, channel, published } = await opened();
    await print("before\r\n");
    const views = await Promise.all(Array.from({ length: 20 }, (_, i) => far.watch(session.info, { name: `w${i}` })));
    expect(far.bus.subscriptions(channel)).toBe(1);
    await until(() => session.info.attachments.length === 20, "all are seated");
    await until(() => views.every((view) => view.items.length > 0), "all have their key frame");
    const before = published();
    await print("after\r\n");
    for (const view of views) {
      await shown(view);
      expect(view.state()).toEqual(stateAfter(size, all()));
    }
    expect(published() - before).toBe(1);
    expect(holder.meter.counts().keyFramesSent).toBeLessThanOrEqual(2);
  });

  it("costs nothing before he comes and after he left", async () => {
    const { session, print, published, channel } = await opened();
    for (let i = 0; i < 500; i++) await print(`line ${i}\r\n`);
    expect(published()).toBe(0);
    expect(holder.relay.watchedElsewhere()).toBe(0);
    const view = await far.watch(session.info);
    await until(() => view.items.length > 0, "he sees it");
    await view[Symbol.asyncDispose]();
    await until(() => holder.relay.watchedElsewhere() === 0, "the holder knows that he left");
    const before = published();
    for (let i = 0; i < 500; i++) await print(`line ${i}\r\n`);
    expect(published()).toBe(before);
    expect(far.bus.subscriptions(channel)).toBe(0);
  });

  it("who comes back with a position goes on exactly there, or gets a key frame when that is long ago", async () => {
    const { session, print, all, shown } = await opened();
    await print("one two three\r\n");
    const first = await far.watch(session.info);
    await shown(first);
    const from = { epoch: session.info.epoch, offset: first.offset() };
    await first[Symbol.asyncDispose]();
    await print("four five\r\n");
    const second = await far.watch(session.info, { from });
    expect(second.attachment).toMatchObject({ resumed: true, start: from });
    await shown(second);
    const bytes = second.items.flatMap((item) => (item.kind === "output" ? [Buffer.from(item.bytes)] : []));
    expect(Buffer.concat(bytes).toString()).toBe("four five\r\n");
    expect(far.meter.counts().gaps).toEqual({});
    // A second one joins while the first is there: from the copy of this node.
    const third = await far.watch(session.info, { from });
    expect(third.attachment.resumed).toBe(true);
    await shown(third);
    await second[Symbol.asyncDispose]();
    await third[Symbol.asyncDispose]();
    await print("x".repeat(300_000));
    const late = await far.watch(session.info, { from });
    expect(late.attachment.resumed).toBe(false);
    await shown(late);
    expect(late.state()).toEqual(stateAfter(size, all()));
    const stranger = await far.watch(session.info, { from: { epoch: "other", offset: 3 } });
    expect(stranger.attachment.resumed).toBe(false);
  });

  it("is refused for a session that is not there, and told when its holder does not answer", async () => {
    const { session, pty } = await opened();
    const { info } = session;
    pty.exit(exited);
    await session.closed;
    await until(() => holder.registry.size === 0, "it ended");
    await expect(far.watch(info)).rejects.toMatchObject({ word: "not-found" });
    const elsewhere = { ...info, id: `web9.abcdefghijkm-${"A".repeat(12)}` as typeof info.id };
    await expect(far.watch(elsewhere)).rejects.toMatchObject({ word: "holder-unreachable" });
  });
});

describe("a session that floods", () => {
  it("sends key frames alone, at most ten a second, until it is calm; then the screen is exact", async () => {
    const { session, print, all, shown, published } = await opened();
    const view = await far.watch(session.info);
    await until(() => view.items.length > 0, "he sees it");
    const startedMs = performance.now();
    const before = published();
    const line = `${"flood ".repeat(12)}\r\n`;
    let printed = 0;
    while (performance.now() - startedMs < 1500) {
      await print(`${printed} ${line.repeat(200)}`);
      printed += 1;
      if (printed % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await shown(view);
    const tookMs = performance.now() - startedMs;
    const frames = published() - before;
    // The first 64 KiB may still go as they are.
    expect(frames).toBeLessThanOrEqual(tookMs / 100 + 6);
    expect(frames).toBeGreaterThan(2);
    expect(view.state()).toEqual(stateAfter(size, all()));
    const floodMs = () => holder.meter.counts().floodMs;
    expect(floodMs()).toBeGreaterThan(0);
    const keyFrames = () => view.items.filter(({ kind }) => kind === "key-frame").length;
    await until(async () => {
      const before = floodMs();
      await new Promise((resolve) => setTimeout(resolve, 300));
      return floodMs() === before;
    }, "it floods no more");
    const then = keyFrames();
    for (const piece of scribble(5, 50)) await print(piece);
    await shown(view);
    expect(keyFrames(), "deltas again").toBe(then);
    expect(view.state()).toEqual(stateAfter(size, all()));
    expect(far.meter.counts().gaps).toEqual({});
  });

  it("keeps nobody else waiting: another session's watcher on the same node sees each line at once", async () => {
    const flood = await opened();
    const calm = await opened();
    const flooded = await far.watch(flood.session.info);
    const view = await far.watch(calm.session.info);
    await until(() => view.items.length > 0 && flooded.items.length > 0, "both are seen");
    const lags: number[] = [];
    for (let i = 0; i < 40; i++) {
      void flood.print("flood\r\n".repeat(3000));
      const sentMs = performance.now();
      await calm.print(`${i}\r\n`);
      await calm.shown(view);
      lags.push(performance.now() - sentMs);
    }
    await flood.shown(flooded);
    expect(flooded.state()).toEqual(stateAfter(size, flood.all()));
    expect(lags.sort((a, b) => a - b)[20]).toBeLessThan(250);
  });
});

describe("a slow watcher", () => {
  it("lags alone, and has the right screen when he reads again", async () => {
    const { session, print, all, shown } = await opened();
    const slow = await far.watch(session.info);
    const quick = await far.watch(session.info);
    await until(() => quick.items.length > 0 && slow.items.length > 0, "both see it");
    slow.pause();
    for (const piece of scribble(6, 3000)) await print(piece);
    await shown(quick);
    expect(quick.items.filter(({ kind }) => kind === "output").length).toBeGreaterThan(3);
    slow.resume();
    await shown(slow);
    expect(slow.state()).toEqual(stateAfter(size, all()));
    expect(quick.state()).toEqual(stateAfter(size, all()));
  });
});
