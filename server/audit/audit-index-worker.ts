/** The thread that has the index of the audit log: neither taking lines in nor searching holds anything else up. */
import { closeSync, openSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import type { FromIndex, ToIndex } from "./audit-query.ts";
import { type AuditTable, openAuditTable } from "./audit-table.ts";

const { path, logPath } = workerData as { readonly path: string; readonly logPath: string };
// Nobody else's to read; SQLite gives its other files the same mode.
closeSync(openSync(path, "a", 0o600));
const table: AuditTable = openAuditTable(path, logPath);

parentPort?.on("message", (message: ToIndex) => {
  try {
    if (message.kind !== "close") table.catchUp(message.lengthBytes);
    else table[Symbol.dispose]();
    if (message.kind === "grown") return;
    const page = message.kind === "search" ? table.search(message.query) : undefined;
    post({ kind: "page", id: message.id, page });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    post({ kind: "failed", id: message.kind === "grown" ? undefined : message.id, error: text });
  }
});

function post(message: FromIndex): void {
  parentPort?.postMessage(message);
}
