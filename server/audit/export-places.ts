/** How far each exporter has come in the log, kept in a small file: nothing is left out over a restart. */
import { readFileSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";

const keepMs = 1000;

export interface ExportPlaces extends AsyncDisposable {
  /** The byte of the log behind the last line that was sent; undefined: it never sent one. */
  get(exporter: string): number | undefined;
  /** Kept within a second, and when it is closed: after a crash some lines are sent twice, none not at all. */
  set(exporter: string, bytes: number): void;
}

/** A file that cannot be read is as none. */
export function openExportPlaces({ path, clock, log }: { path: string; clock: Clock; log: Log }): ExportPlaces {
  const places = read(path);
  let timer: Disposable | undefined;
  let writing: Promise<void> = Promise.resolve();
  let dirty = false;
  const keep = () => {
    timer?.[Symbol.dispose]();
    timer = undefined;
    writing = writing.then(async () => {
      if (!dirty) return;
      dirty = false;
      try {
        {
          await using file = await open(`${path}.new`, "w", 0o600);
          await file.writeFile(`${JSON.stringify(Object.fromEntries(places))}\n`);
          await file.sync();
        }
        await rename(`${path}.new`, path);
      } catch (err) {
        log.warn({ err, path }, "the places of the exporters of the audit log cannot be kept");
      }
    });
  };
  return {
    get: (exporter) => places.get(exporter),
    set(exporter, bytes) {
      places.set(exporter, bytes);
      dirty = true;
      timer ??= clock.after(keepMs, keep);
    },
    async [Symbol.asyncDispose]() {
      keep();
      await writing;
    },
  };
}

function read(path: string): Map<string, number> {
  try {
    const all = Object.entries(JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>);
    return new Map(all.filter((each): each is [string, number] => Number.isSafeInteger(each[1])));
  } catch {
    return new Map();
  }
}
