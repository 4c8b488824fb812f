/** The one door to logging: JSON lines on standard error, one event each; secrets are never passed in. */
import { type Logger, pino } from "pino";

export type Log = Pick<Logger, "debug" | "info" | "warn" | "error">;

/** `level` "silent" writes nothing. */
export function createLog(level: "silent" | "error" | "warn" | "info" | "debug"): Log {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}
