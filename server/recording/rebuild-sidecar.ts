/** Makes a recording's index anew, by feeding the file to a screen model. */
import { rename, rm } from "node:fs/promises";
import type { TermSize } from "../events.ts";
import { orAborted } from "../flow/life.ts";
import type { Screen } from "../session/screen.ts";
import type { CastHead } from "./cast-head.ts";
import { readCast } from "./cast-reader.ts";
import type { RecordingFile } from "./recording-file.ts";
import { openSidecar, type Sidecar } from "./sidecar.ts";

/** A frame after so much output, or after so long with output. */
const frameBytes = 256 * 1024;
const frameMs = 10_000;
/** And at each new size, unless the file is made of little else. */
const leastFileBytes = 16 * 1024;

export type CreateScreen = (size: TermSize) => Screen;

/**
 * Writes the index beside `path` and then puts it in its place. `onEntry` is called with the time of each entry that can
 * be read already, at `building`. Rejects with what reading throws, or the signal's reason; then nothing is left behind.
 */
export async function rebuildSidecar(
  file: RecordingFile,
  head: CastHead,
  path: string,
  createScreen: CreateScreen,
  onEntry: (atMs: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const building = buildingPath(path);
  await rm(building, { force: true });
  try {
    {
      await using sidecar = openSidecar(building);
      await fill(sidecar, file, head, createScreen, onEntry, signal);
    }
    await rename(building, path);
  } catch (error) {
    await rm(building, { force: true });
    throw error;
  }
}

/** Where an index is while it is made. */
export function buildingPath(path: string): string {
  return `${path}.new`;
}

async function fill(
  sidecar: Sidecar,
  file: RecordingFile,
  { start, bodyPosition }: CastHead,
  createScreen: CreateScreen,
  onEntry: (atMs: number) => void,
  signal: AbortSignal,
): Promise<void> {
  using screen = createScreen(start.size);
  const from = { position: bodyPosition, atMs: 0, offset: 0, size: start.size };
  let hash = "0".repeat(64);
  let last = { atMs: 0, offset: 0, position: bodyPosition };
  let wanted = false;
  for await (const events of readCast(file, from, signal)) {
    for (const event of events) {
      const { atMs, next } = event;
      if (event.kind === "cut") hash = event.hash;
      else if (event.kind === "output") {
        screen.write({ kind: "output", atMs, offset: event.offset, bytes: event.bytes });
        const wait = screen.ready(signal);
        if (wait !== undefined) await wait;
      } else if (event.kind === "resize") {
        screen.write({ kind: "resize", atMs, offset: event.offset, size: event.size });
        wanted = true;
      } else if (event.kind === "screen") {
        // Draws all of it: what was missed before has no effect behind it.
        screen.write({ kind: "output", atMs, offset: event.offset - event.bytes.length, bytes: event.bytes });
        wanted = true;
      }
      signal.throwIfAborted();
      const due = next.offset - last.offset >= frameBytes || (next.offset > last.offset && atMs - last.atMs >= frameMs);
      if (!due && !(wanted && next.position - last.position >= leastFileBytes)) continue;
      const frame = await orAborted(screen.keyFrame(), signal);
      sidecar.add({ atMs, offset: next.offset, position: next.position, size: frame.size, hash, bytes: frame.bytes });
      await orAborted(sidecar.settled(), signal);
      onEntry(atMs);
      last = { atMs, offset: next.offset, position: next.position };
      wanted = false;
    }
  }
}
