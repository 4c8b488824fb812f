/** Ends sessions in order, with notice, before the disk of the recordings is full. */
import type { Audit } from "../audit.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import type { DiskReserve } from "./disk-reserve.ts";
import { recorderLost } from "./recorder-lost.ts";
import type { RecordedSession } from "./recording.ts";

const lookMs = 1000;
const noticeMs = 30_000;

/** One that is recorded now. */
export interface Watched {
  readonly session: RecordedSession;
  readonly fileBytes: number;
}

export interface DiskWatchNeeds {
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: Pick<Audit, "note">;
  readonly reserve: DiskReserve;
  /** Sessions end when less than this is free. */
  readonly endBelowBytes: number;
  readonly watched: () => readonly Watched[];
}

/**
 * Looks each second until disposed. Below the mark everybody gets 30 s notice; when these are over and it is still so, the
 * session with the largest recording ends, and each second the next one.
 */
export function watchDisk(need: DiskWatchNeeds): Disposable {
  const { clock, log, audit, reserve, endBelowBytes, watched } = need;
  let lowSinceMs: number | undefined;
  let looking = false;
  const look = async () => {
    const freeBytes = await reserve.freeBytes();
    if (freeBytes >= endBelowBytes) {
      lowSinceMs = undefined;
      if (freeBytes >= 2 * endBelowBytes) reserve.fill();
      return;
    }
    const nowMs = clock.monotonicMs();
    const all = watched();
    if (lowSinceMs === undefined && all.length > 0) {
      lowSinceMs = nowMs;
      log.error({ freeBytes, sessions: all.length }, "the disk of the recordings is nearly full");
      audit.note({ event: "reserve-hit", freeBytes });
      const text = "The disk of the recordings is nearly full: this session ends in 30 seconds.";
      for (const { session } of all) session.tell(text);
    } else if (lowSinceMs !== undefined && nowMs - lowSinceMs >= noticeMs) {
      const [largest] = all.toSorted((one, other) => other.fileBytes - one.fileBytes);
      largest?.session.end(recorderLost("the disk of the recordings is nearly full"));
    }
  };
  return clock.every(lookMs, () => {
    if (looking || (watched().length === 0 && lowSinceMs === undefined)) return;
    looking = true;
    look()
      .catch((error) => log.error({ err: error }, "cannot tell how full the disk of the recordings is"))
      .finally(() => {
        looking = false;
      });
  });
}
