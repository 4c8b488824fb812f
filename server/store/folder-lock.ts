/** One server at a time on a folder: a lock that its holder's death gives back, however it died. */
import { join } from "node:path";
import { BartizanFault } from "../errors.ts";
import { lockDatabase } from "./database.ts";

/**
 * Holds `lock` in `folder` until disposed. Throws `config` when another process has it, or it cannot be made. `what`: the
 * key of the config that names the folder.
 */
export function lockFolder(folder: string, what: "data" | "recording.folder" = "data"): Disposable {
  const lock = lockDatabase(join(folder, "lock"));
  if (lock !== undefined) return lock;
  throw new BartizanFault(
    "config",
    `Another bartizan runs on the ${what === "data" ? "data folder" : "folder of recordings"} ${folder}.`,
    `Stop that one, or give this one a folder of its own (\`${what}\` in the config).`,
  );
}
