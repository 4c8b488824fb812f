/** A session on one node and who watches it from another, for tests of what he sees. */
import { systemClock } from "../../server/flow/clock.ts";
import { createMemoryHub, type MemoryHub } from "../../server/group/memory-bus.ts";
import { type FarView, type GroupNode, groupNames, openGroupNode } from "./group-node.ts";
import { randomFrom } from "./random.ts";
import { until } from "./until.ts";

export const size = { cols: 80, rows: 24 };

export interface TwoNodes extends AsyncDisposable {
  /** For a third. */
  readonly hub: MemoryHub;
  readonly holder: GroupNode;
  readonly far: GroupNode;
}

/** Both on one bus in memory. */
export async function openTwoNodes(): Promise<TwoNodes> {
  const hub = createMemoryHub(systemClock);
  const holder = await openGroupNode(hub, "web1");
  const far = await openGroupNode(hub, "web2");
  return {
    ...{ hub, holder, far },
    async [Symbol.asyncDispose]() {
      await far[Symbol.asyncDispose]();
      await holder[Symbol.asyncDispose]();
    },
  };
}

/** A session, what was printed in it, and waits for who has seen it all. */
export async function openedOn(holder: GroupNode) {
  const { session, pty } = await holder.open();
  const printed: Buffer[] = [];
  const print = (text: string | Uint8Array) => {
    printed.push(Buffer.from(text));
    return pty.print(text);
  };
  const channel = groupNames.output(session.info.id);
  const published = () => holder.bus.sent.filter((each) => each.channel === channel).length;
  const all = () => Buffer.concat(printed);
  const shown = (view: FarView) =>
    until(() => view.offset() === all().length, `the watcher is at ${all().length}, not ${view.offset()}`, 10_000);
  const sees = (view: FarView) => until(() => view.offset() >= 0, "he has a screen");
  return { session, pty, print, all, shown, sees, channel, published };
}

/** Lines, colours, cursor moves; never the same twice. */
export function scribble(seed: number, pieces: number): string[] {
  const random = randomFrom(seed);
  return Array.from({ length: pieces }, (_, i) => {
    const move = random.below(4) === 0 ? `\x1b[${1 + random.below(24)};${1 + random.below(80)}H` : "";
    return `${move}\x1b[3${random.below(8)}mline ${i} ${"x".repeat(random.below(60))}\x1b[m\r\n`;
  });
}
