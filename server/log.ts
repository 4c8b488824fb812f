/** The one door to logging: JSON lines on standard error, one event each; secrets are never passed in. */
import { type Logger, pino } from "pino";

export type Log = Pick<Logger, "debug" | "info" | "warn" | "error">;

/** The last line of defence: nothing of these names is meant to be passed in. */
const secretNames = ["token", "password", "passphrase", "secret", "authorization", "cookie", "answers", "privateKey"];
const secretPaths = secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/** `level` "silent" writes nothing. */
export function createLog(level: "silent" | "error" | "warn" | "info" | "debug"): Log {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: { paths: secretPaths, censor: "[secret]" } },
    pino.destination({ dest: 2, sync: true }),
  );
}
