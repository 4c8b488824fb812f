/** Everything at once, at random: whoever watches from elsewhere ends with the very screen of the session. */
import { expect, test } from "vitest";
import { systemClock } from "../../server/flow/clock.ts";
import { createMemoryHub } from "../../server/group/memory-bus.ts";
import type { HeldSession } from "../../server/session/held-session.ts";
import { openedOn, scribble, size } from "../support/far-watching.ts";
import { type FarView, type GroupNode, groupNames, openGroupNode, stateAfter } from "../support/group-node.ts";
import { randomFrom } from "../support/random.ts";
import { until } from "../support/until.ts";

const seeds = (process.env.BARTIZAN_SOAK_SEEDS ?? "1 2 3").split(" ").map(Number);

/** What a terminal would be fed: output and sizes, in the session's own order. */
function tapeOf(session: HeldSession): (Uint8Array | { cols: number; rows: number })[] {
  const tape: (Uint8Array | { cols: number; rows: number })[] = [];
  session.overhear({
    event: (event) => {
      if (event.kind === "output") tape.push(Uint8Array.from(event.bytes));
      if (event.kind === "resize") tape.push(event.size);
    },
    word: () => {},
    ended: () => [],
  });
  return tape;
}

test.each(seeds)("seed %i", async (seed) => {
  const random = randomFrom(seed);
  const hub = createMemoryHub(systemClock);
  const timing = { unheardMs: 100, keepMs: 200, expiryMs: 3000 };
  await using holder = await openGroupNode(hub, "web1", { timing });
  await using two = await openGroupNode(hub, "web2", { timing });
  await using three = await openGroupNode(hub, "web3", { timing });
  const { session, print, channel } = await openedOn(holder);
  const tape = tapeOf(session);
  const leaving = new AbortController();
  const operator = await session.attach({ name: "alice" }, "operator", {}, leaving.signal);
  void (async () => {
    for await (const _item of operator.view);
  })().catch(() => {});
  const nodes: GroupNode[] = [two, three];
  const views = new Set<FarView>();
  const pick = <T>(all: readonly T[]): T => all[random.below(all.length)] as T;

  function disturb(node: GroupNode): void {
    const late: (() => void)[] = [];
    node.bus.hearing = (on, _message, deliver) => {
      const fate = random.below(on === channel ? 12 : 40);
      if (fate === 0) return;
      if (fate === 1) late.push(deliver);
      else {
        deliver();
        for (const one of late.splice(0)) one();
      }
    };
  }

  const mend = (node: GroupNode) => {
    node.bus.hearing = (_on, _message, deliver) => deliver();
    node.bus.sending = () => "pass";
  };
  const state = (up: boolean) => (up ? { up, sinceMs: 0 } : { up, sinceMs: 0, reason: "the test cut it" });

  for (let step = 0; step < 120; step += 1) {
    const node = pick(nodes);
    const what = random.below(14);
    if (what <= 4) for (const piece of scribble(seed * 1000 + step, 1 + random.below(12))) await print(piece);
    else if (what === 5) await print("flood\r\n".repeat(random.below(20_000)));
    else if (what === 6) {
      operator.keyboard?.resize({ ...size, rows: 10 + random.below(30) });
      // Of two sizes in a row a viewer may be told the later one alone.
      await print("resized\r\n");
    } else if (what === 7 && views.size < 6) views.add(await node.watch(session.info).catch(() => undefined as never));
    else if (what === 8 && views.size > 2) {
      const view = pick([...views]);
      views.delete(view);
      const from = { epoch: session.info.epoch, offset: Math.max(0, view.offset()) };
      await view[Symbol.asyncDispose]();
      if (random.below(2) === 0) views.add(await node.watch(session.info, { from }).catch(() => undefined as never));
    } else if (what === 9) disturb(node);
    else if (what === 10) mend(pick([holder, ...nodes]));
    else if (what === 11) {
      const cut = pick([holder, ...nodes]);
      cut.bus.setState(state(false));
      await print("while the bus is down\r\n");
      cut.bus.setState(state(true));
      if (random.below(2) === 0) cut.bus.interrupted();
    } else if (what === 12) holder.bus.sending = (on) => (on === channel && random.below(3) === 0 ? "fail" : "pass");
    else pick([...views, undefined])?.pause();
    views.delete(undefined as never);
    for (const view of views) if (random.below(3) === 0) view.resume();
    if (random.below(4) === 0) await new Promise((resolve) => setTimeout(resolve, random.below(60)));
  }
  for (const each of [holder, ...nodes]) mend(each);
  for (const view of views) view.resume();
  await print("\x1b[Hthe end");
  const end = () => session.info.outputBytes;
  const heartbeat = () => {
    const ticks = holder.relay.ticks();
    for (const node of nodes) node.mirrors.tick(holder.self, ticks);
  };
  for (const view of views)
    await until(() => {
      heartbeat();
      return view.offset() === end();
    }, `a watcher is at ${end()}`);
  const expected = stateAfter(size, ...tape);
  for (const view of views)
    await until(() => JSON.stringify(view.state()) === JSON.stringify(expected), "the same", 5000).catch(() =>
      expect(view.state()).toEqual(expected),
    );
  await until(() => session.info.attachments.length === views.size + 1, "all of them are seated, and nobody else");
  expect(groupNames.output(session.info.id)).toBe(channel);
  leaving.abort();
});
