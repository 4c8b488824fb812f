/** What the throttle keeps over a restart, in one small file of the data folder: bounded, whole or not at all. */
import { readFileSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { z } from "zod";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";

const maxEntries = 10_000;
const maxFileBytes = 4 * 1024 * 1024;
const key = z.string().max(400);

const schema = z.strictObject({
  savedAtMs: z.number(),
  known: z.array(key).max(maxEntries),
  buckets: z.array(z.strictObject({ key, left: z.number(), agoMs: z.number() })).max(maxEntries),
});

export interface ThrottleState {
  readonly known: readonly string[];
  /** How many failures were left, and how long ago that was. */
  readonly buckets: readonly { readonly key: string; readonly left: number; readonly agoMs: number }[];
}

export interface ThrottleFile {
  /** What was written last, grown older by the wall clock meanwhile; nothing when there is none, or it is spoilt. */
  read(): ThrottleState | undefined;
  /** Never rejects: a full disk must not keep anybody out. One write at a time. */
  write(state: ThrottleState): Promise<void>;
}

/** The file is 0600: it names who logs in from where. */
export function createThrottleFile(path: string, clock: Clock, log: Log): ThrottleFile {
  let writing: Promise<void> = Promise.resolve();
  const write = async (state: ThrottleState) => {
    const fresh = `${path}.new`;
    try {
      await rm(fresh, { force: true });
      {
        await using file = await open(fresh, "wx", 0o600);
        await file.writeFile(JSON.stringify({ savedAtMs: clock.wallMs(), ...state }));
        await file.sync();
      }
      await rename(fresh, path);
    } catch (error) {
      log.warn({ err: error }, "failed logins could not be noted on the disk");
    }
  };
  return {
    read() {
      try {
        const text = readFileSync(path, "utf8");
        if (text.length > maxFileBytes) return undefined;
        const { savedAtMs, known, buckets } = schema.parse(JSON.parse(text));
        // A clock that was set back must not make anybody wait longer, nor one that was set forward shorter than a day.
        const agedMs = Math.min(Math.max(0, clock.wallMs() - savedAtMs), 86_400_000);
        return { known, buckets: buckets.map((each) => ({ ...each, agoMs: Math.max(0, each.agoMs) + agedMs })) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT")
          log.warn({ err: error }, "what was noted of failed logins cannot be read: it begins anew");
        return undefined;
      }
    },
    write(state) {
      writing = writing.then(() => write(state));
      return writing;
    },
  };
}
