import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openAudit } from "../../server/audit/open-audit.ts";
import type { SessionId, SessionInfo } from "../../server/events.ts";
import { systemClock } from "../../server/flow/clock.ts";
import { createLog } from "../../server/log.ts";
import { realDisk } from "../../server/recording/disk.ts";
import { LineBuffer } from "../../server/recording/line-buffer.ts";
import { openRecordings } from "../../server/recording/open-recordings.ts";
import { reconcile } from "../../server/recording/reconcile.ts";
import type { RecordedSession } from "../../server/recording/recording.ts";
import { openSealKey } from "../../server/recording/seal-key.ts";
import { castFiles } from "../support/recordings-of.ts";

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "bartizan-reconcile-"));
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

const log = createLog("silent");
const signal = new AbortController().signal;
const info: SessionInfo = {
  ...{ id: "test-1" as SessionId, epoch: "e1", target: "web1", targetUser: "deploy", operator: { name: "alice" } },
  ...{ node: "test", labels: {}, state: "attached", openedAtMs: 1, activeAtMs: 1, size: { cols: 80, rows: 24 } },
  ...{ attachments: [], outputBytes: 0, recorded: false },
};
const session: RecordedSession = {
  keyFrame: () => Promise.reject(new Error("no screen")),
  ...{ tell() {}, end() {}, changed() {} },
};

it("a file that a session is just beginning is left alone by what puts old ones right", async () => {
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const disk = {
    ...realDisk,
    async syncFolder(path: string) {
      arrived.resolve();
      await gate.promise;
      await realDisk.syncFolder(path);
    },
  };
  const [key, clock] = [openSealKey(data), systemClock];
  await using audit = openAudit({ path: join(data, "audit.jsonl"), clock, log, node: "test", signer: key });
  const folder = join(data, "recordings");
  await using recordings = await openRecordings({
    ...{ data, key, folder, bestEffort: {}, reserveBytes: 0, clock, log, audit, disk, onClosed() {} },
  });
  await recordings.reconciled;
  const { recorders, catalogue } = recordings;
  const creating = recorders.create(info, {}, session);
  await arrived.promise;
  const [path = ""] = castFiles(data);
  const before = readFileSync(path, "utf8");
  const isLive = (id: Parameters<typeof recorders.isLive>[0]) => recorders.isLive(id);
  await reconcile({ folder, disk, log, audit, catalogue, key, lines: new LineBuffer(), isLive }, signal);
  expect(readFileSync(path, "utf8")).toBe(before);
  gate.resolve();
  const recorder = await creating;
  expect(catalogue.find(recorder.id)?.state).toBe("live");
  await recorder.seal({ kind: "exited", code: 0 }, 0);
});
