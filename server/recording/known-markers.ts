/** What timelines mark, kept for the recordings asked for last: a file is read once, and a running one only where it is new. */
import type { RecordingId } from "../events.ts";
import { orAborted } from "../flow/life.ts";
import { openRecording, readOwnHead } from "./archive.ts";
import { DamagedRecording } from "./damaged-recording.ts";
import { type Marker, type MarkerScan, readMarkers } from "./markers.ts";
import type { RecordingInfo } from "./recording.ts";

/** Bounds of what is kept: recordings, and markers of all together, some 10 MB. */
const mostRecordings = 1000;
const mostMarkers = 20_000;

interface Known {
  scan: MarkerScan | undefined;
  /** The file does not grow any more, and was read to its end, or as far as it can be. */
  whole: boolean;
  /** One reader at a time; the others go on where he stopped. */
  reading: Promise<void> | undefined;
}

/** In order of time; none where the file is gone, and those before the damage where it is damaged. */
export type MarkersOf = (info: Pick<RecordingInfo, "id" | "state">, signal: AbortSignal) => Promise<readonly Marker[]>;

export function createKnownMarkers(folder: string): MarkersOf {
  /** The one asked for last is the last. */
  const all = new Map<RecordingId, Known>();

  const forgetOldest = () => {
    let count = [...all.values()].reduce((sum, { scan }) => sum + (scan?.markers.length ?? 0), 0);
    for (const [id, { scan, reading }] of all) {
      if (all.size <= mostRecordings && count <= mostMarkers) return;
      if (reading !== undefined) continue;
      all.delete(id);
      count -= scan?.markers.length ?? 0;
    }
  };

  const read = async (known: Known, { id, state }: Pick<RecordingInfo, "id" | "state">, signal: AbortSignal) => {
    await using file = await openRecording(folder, id);
    if (file === undefined) return;
    try {
      if (known.scan === undefined) {
        const { bodyPosition } = await readOwnHead(file, id, signal);
        known.scan = { position: bodyPosition, atMs: 0, markers: [] };
      }
      await readMarkers(file, known.scan, signal);
      known.whole = state !== "live";
    } catch (error) {
      if (!(error instanceof DamagedRecording)) throw error;
      known.whole = state !== "live";
      // Its recorder may have taken back what was read here: the next one begins at the start.
      if (state === "live") known.scan = undefined;
    }
  };

  return async (info, signal) => {
    const known = all.get(info.id) ?? { scan: undefined, whole: false, reading: undefined };
    all.delete(info.id);
    all.set(info.id, known);
    while (known.reading !== undefined) await orAborted(known.reading, signal);
    if (!known.whole) {
      const reading = read(known, info, signal).finally(() => {
        known.reading = undefined;
      });
      known.reading = reading.catch(() => {});
      await reading;
      forgetOldest();
    }
    return known.scan?.markers ?? [];
  };
}
