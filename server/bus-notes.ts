/** What the audit log is told of the bus between nodes: that it was lost and is back, gaps, and messages that nobody signed. */
import type { Audit } from "./audit.ts";
import type { Clock } from "./flow/clock.ts";
import type { GroupBus } from "./group/bus.ts";
import type { GroupMeter } from "./group/meter.ts";

/** Whoever reaches the bus can bring these about at will: of each kind one line in so much, the next with how many there were. */
const foldMs = 60_000;

/** Disposing tells what is still untold; from then on nothing is. It may be disposed twice. */
export interface BusNotes extends Disposable {
  /** The meter, with its gaps and rejected messages told as well. */
  metered(meter: GroupMeter): GroupMeter;
  /** From now on the states of this bus are told. */
  follow(bus: Pick<GroupBus, "state" | "onState">): void;
}

export function createBusNotes(audit: Pick<Audit, "note">, clock: Clock): BusNotes {
  const held = new DisposableStack();
  const gaps = folded(clock, (detail, times) => audit.note({ event: "bus-gap", detail, ...timesOf(times) }));
  const forged = folded(clock, (detail, times) => audit.note({ event: "bus-forged", detail, ...timesOf(times) }));
  let downSinceMs: number | undefined;
  let awayMs = 0;
  let toldLost = false;
  const toldBack = () => {
    if (!toldLost || downSinceMs !== undefined) return;
    audit.note({ event: "redis-back", awayMs: Math.round(awayMs) });
    toldLost = false;
    awayMs = 0;
  };
  const lost = folded(clock, (cause, times) => {
    audit.note({ event: "redis-lost", cause, ...timesOf(times) });
    toldLost = true;
    toldBack();
  });
  for (const each of [gaps, forged, lost]) held.use(each);

  return {
    metered: (meter) => ({
      ...meter,
      gap(cause) {
        meter.gap(cause);
        gaps.happened(cause);
      },
      rejected(cause) {
        meter.rejected(cause);
        forged.happened(cause);
      },
    }),
    follow(bus) {
      const changed = (state: GroupBus["state"]) => {
        if (!state.up && downSinceMs === undefined) {
          downSinceMs = clock.monotonicMs();
          lost.happened(state.reason);
        } else if (state.up && downSinceMs !== undefined) {
          awayMs += clock.monotonicMs() - downSinceMs;
          downSinceMs = undefined;
          if (!lost.waits) toldBack();
        }
      };
      changed(bus.state);
      held.use(bus.onState(changed));
    },
    [Symbol.dispose]: () => held.dispose(),
  };
}

function timesOf(times: number): { readonly times?: number } {
  return times === 1 ? {} : { times };
}

interface Folded extends Disposable {
  happened(what: string): void;
  /** Something happened that is not told yet. */
  readonly waits: boolean;
}

/** `tell` is called at once, then once in a while with all that was meanwhile: what, and how often. */
function folded(clock: Clock, tell: (what: string, times: number) => void): Folded {
  const what = new Set<string>();
  let times = 0;
  let quiet: Disposable | undefined;
  let over = false;
  const flush = () => {
    quiet?.[Symbol.dispose]();
    quiet = undefined;
    if (times === 0) return;
    const [said, count] = [[...what].join(", "), times];
    what.clear();
    times = 0;
    if (!over) quiet = clock.after(foldMs, flush);
    tell(said, count);
  };
  return {
    happened(each) {
      if (over) return;
      what.add(each);
      times += 1;
      if (quiet === undefined) flush();
    },
    get waits() {
      return times > 0;
    },
    [Symbol.dispose]() {
      over = true;
      flush();
    },
  };
}
