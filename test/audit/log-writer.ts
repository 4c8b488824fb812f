/** A process that writes audit lines as fast as it can until it is killed: arguments are the folder and nothing else. */
import { join } from "node:path";
import { openAudit } from "../../server/audit/open-audit.ts";
import { systemClock as clock } from "../../server/flow/clock.ts";
import { createLog } from "../../server/log.ts";
import { openSealKey } from "../../server/recording/seal-key.ts";

const folder = process.argv[2] ?? "";
const signer = openSealKey(folder);
const audit = openAudit({
  ...{ path: join(folder, "audit.jsonl"), clock, log: createLog("silent"), node: "n1" },
  signer,
});
for (let freeBytes = 0; ; freeBytes += 1) {
  audit.write({ event: "reserve-hit", freeBytes });
  if (freeBytes % 50 === 0) await audit.synced();
}
