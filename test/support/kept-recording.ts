/** Recordings that tests made themselves, in the folder and the list of a test's server. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RecordingInfo } from "../../server/recording/recording.ts";
import { type CastMaker, infoFor, type MakerStart, makeCast, makeKey, startFor } from "../recording/cast-maker.ts";
import { dataOf } from "./recordings-of.ts";
import type { TestBastion } from "./test-bastion.ts";

const key = makeKey();

/** `make` writes what was shown; the end is an exit with 0 unless it brings its own. Gives back the recording's id. */
export async function keepRecording(
  bastion: TestBastion,
  number: number,
  make: (maker: CastMaker) => void,
  changes: { readonly start?: Partial<MakerStart>; readonly info?: Partial<RecordingInfo> } = {},
): Promise<string> {
  // What a start finds in the folder and not in the list, or the other way round, it puts right.
  await bastion.reconciled;
  const start = startFor(number, changes.start);
  const maker = makeCast(start, key);
  make(maker);
  maker.end(changes.info?.cause ?? { kind: "exited", code: 0 });
  const folder = join(dataOf(bastion), "recordings");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${start.id}.cast`), maker.take());
  bastion.catalogue.add(infoFor(start, maker, changes.info));
  return start.id;
}

/** A screen for each second, told by its number; `bytes` of colours around it make the file as long as one likes. */
export function ticks(maker: CastMaker, seconds: number, bytes = 0): void {
  const noise = "\x1b[32m.\x1b[0m".repeat(Math.ceil(bytes / 10));
  for (let second = 1; second <= seconds; second += 1)
    maker.output(`\x1b[H\x1b[2J${noise}\x1b[20;3Htick ${second};\x1b[22;${1 + (second % 40)}H*`, second * 1000);
}
