/** Sends the log elsewhere: reads the file itself, batch by batch, and tries again until it is taken. Holds nobody up. */
import type { FileHandle } from "node:fs/promises";
import type { Audit } from "../audit.ts";
import { type Clock, pause } from "../flow/clock.ts";
import { orAborted } from "../flow/life.ts";
import type { Log } from "../log.ts";
import { type AuditLine, openLog, parseLine, readLines } from "./audit-lines.ts";
import type { ExportPlaces } from "./export-places.ts";
import type { AuditLog } from "./open-audit.ts";

/** One line as it stands in the file, without its line feed, and what it says. */
export interface ExportedLine {
  readonly text: string;
  readonly line: AuditLine;
}

/** Where lines go. Disposing closes what is open. */
export interface Delivery extends AsyncDisposable {
  readonly name: string;
  /** Resolves when they are taken, in this order. Rejects when they were not, or the signal aborts; then all come again. */
  send(lines: readonly ExportedLine[], signal: AbortSignal): Promise<void>;
}

export interface RunExportNeeds {
  readonly audit: Pick<AuditLog, "path" | "lengthBytes" | "onGrown"> & Pick<Audit, "note">;
  readonly delivery: Delivery;
  readonly places: ExportPlaces;
  readonly clock: Clock;
  readonly log: Log;
}

const batchLines = 500;
const batchBytes = 1024 * 1024;
/** Further behind, lines are left out down to the second number, and that is noted. */
export const mostBehindBytes = 64 * 1024 * 1024;
const keptBehindBytes = 32 * 1024 * 1024;
const firstWaitMs = 1000;
const longestWaitMs = 60_000;

/** Runs until the signal aborts; never rejects. An exporter that is new begins with the first line. */
export async function runExport(needs: RunExportNeeds, signal: AbortSignal): Promise<void> {
  const { audit, delivery, places, clock, log } = needs;
  let at = places.get(delivery.name) ?? 0;
  places.set(delivery.name, at);
  let waitMs = firstWaitMs;
  let grown = Promise.withResolvers<void>();
  using _subscription = audit.onGrown(() => grown.resolve());
  while (!signal.aborted) {
    const waiting = grown.promise;
    try {
      at = await placeIn(needs, at);
      const batch = await batchFrom(audit, at);
      if (batch.to === at) {
        await orAborted(waiting, signal);
        if (waiting === grown.promise) grown = Promise.withResolvers();
        continue;
      }
      if (batch.lines.length > 0) await delivery.send(batch.lines, signal);
      at = batch.to;
      places.set(delivery.name, at);
      if (waitMs > firstWaitMs) log.info({ exporter: delivery.name }, "the audit log is sent again");
      waitMs = firstWaitMs;
    } catch (err) {
      if (signal.aborted) return;
      if (waitMs === firstWaitMs)
        log.warn({ err, exporter: delivery.name }, "the audit log cannot be sent; it is tried again");
      await pause(clock, waitMs, signal).catch(() => {});
      waitMs = Math.min(longestWaitMs, waitMs * 2);
    }
  }
}

/** Where to go on: at the start of a line, and not too far behind. */
async function placeIn({ audit, delivery }: RunExportNeeds, at: number): Promise<number> {
  const end = audit.lengthBytes;
  await using file = await openLog(audit.path);
  const whole = at <= end && (at === 0 || (await byteBefore(file, at)) === 0x0a);
  if (whole && end - at <= mostBehindBytes) return at;
  // A place in another log is worth nothing: nobody knows what of this one was sent.
  const to = whole ? await startOfLine(file, end - keptBehindBytes) : end;
  audit.note({ event: "export-lost", exporter: delivery.name, bytes: Math.abs(to - at) });
  return to;
}

async function byteBefore(file: FileHandle, at: number): Promise<number | undefined> {
  const byte = Buffer.alloc(1);
  const { bytesRead } = await file.read(byte, 0, 1, at - 1);
  return bytesRead === 1 ? byte[0] : undefined;
}

/** Of the first one that begins behind `at`. */
async function startOfLine(file: FileHandle, at: number): Promise<number> {
  for await (const { to } of readLines(file, at)) return to;
  return at;
}

async function batchFrom(
  { path, lengthBytes }: Pick<AuditLog, "path" | "lengthBytes">,
  at: number,
): Promise<{ readonly lines: readonly ExportedLine[]; readonly to: number }> {
  const lines: ExportedLine[] = [];
  let to = at;
  await using file = await openLog(path);
  for await (const raw of readLines(file, at, lengthBytes)) {
    if (lines.length > 0 && raw.to - at > batchBytes) break;
    const line = parseLine(raw.text);
    to = raw.to;
    if (line !== undefined) lines.push({ text: raw.text, line });
    if (lines.length >= batchLines) break;
  }
  return { lines, to };
}
