/** The index of the audit log in SQLite: where each line stands, and what it is found by. Made from the file, and only so. */
import { closeSync, constants, fstatSync, openSync, readSync, rmSync } from "node:fs";
import { openDatabase, type Row, type SQLInputValue } from "../store/database.ts";
import { hashOf, maxLineBytes, parseLine } from "./audit-lines.ts";
import type { AuditFilter, AuditPage, AuditQuery } from "./audit-query.ts";

const migrations = [
  `CREATE TABLE lines (
     n INTEGER PRIMARY KEY, place INTEGER NOT NULL, bytes INTEGER NOT NULL, at_ms INTEGER NOT NULL, event TEXT NOT NULL,
     outcome TEXT NOT NULL, who TEXT NOT NULL, target TEXT NOT NULL, session TEXT NOT NULL, recording TEXT NOT NULL) STRICT;
   CREATE INDEX lines_by_event ON lines (event, n);
   CREATE INDEX lines_by_who ON lines (who, n);
   CREATE INDEX lines_by_target ON lines (target, n);
   CREATE INDEX lines_by_session ON lines (session, n);
   CREATE INDEX lines_by_recording ON lines (recording, n);
   CREATE TABLE read_to (one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER NOT NULL, hash TEXT NOT NULL) STRICT`,
];
/** Read and put in together. */
const stepBytes = 1024 * 1024;

export interface AuditTable extends Disposable {
  /** Takes in what the file has up to there. Blocks the thread. */
  catchUp(lengthBytes: number): void;
  search(query: AuditQuery): AuditPage;
}

/** `path`: the database file; one that cannot be used, or is of another log, is made anew. Throws what reading the log throws. */
export function openAuditTable(path: string, logPath: string): AuditTable {
  const log = openSync(logPath, constants.O_RDONLY | constants.O_NOFOLLOW);
  let database = openOrRemake(path);
  const bytesAt = (place: number, length: number) => {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(log, bytes, 0, length, place));
  };
  const last = () =>
    database.prepare("SELECT l.n, l.place, l.bytes, r.hash FROM read_to r JOIN lines l ON l.n = r.n").get() as
      | { n: number; place: number; bytes: number; hash: string }
      | undefined;
  const known = last();
  if (known !== undefined && hashOf(bytesAt(known.place, known.bytes)) !== known.hash) {
    database.close();
    database = remade(path);
  }
  const insert = database.prepare(
    `INSERT OR REPLACE INTO lines VALUES (:n, :place, :bytes, :at_ms, :event, :outcome, :who, :target, :session, :recording)`,
  );
  const readTo = database.prepare("INSERT OR REPLACE INTO read_to VALUES (1, ?, ?)");
  const take = (line: Buffer, place: number) => {
    const text = line.toString("utf8", 0, line.length - 1);
    const parsed = parseLine(text);
    if (parsed === undefined) return undefined;
    const word = (name: string) => (typeof parsed[name] === "string" ? parsed[name] : "");
    insert.run({
      ...{ n: parsed.n, place, bytes: line.length, at_ms: Math.floor(parsed.atMs), event: parsed.event },
      ...{ outcome: word("outcome"), who: word("who"), target: word("target"), session: word("session") },
      recording: word("recording"),
    });
    return parsed.n;
  };
  const { n: lastN = 0, place = 0, bytes = 0 } = last() ?? {};
  let at = place + bytes;
  let upTo = lastN;
  return {
    catchUp(lengthBytes) {
      const end = Math.min(lengthBytes, fstatSync(log).size);
      while (at < end) {
        const step = bytesAt(at, Math.min(end - at, stepBytes));
        const whole = step.lastIndexOf(0x0a) + 1;
        // No line is so long: it is none of an audit log, and neither is what follows.
        if (whole === 0 && step.length > maxLineBytes) throw new Error(`there is no line at byte ${at}`);
        if (whole === 0) return;
        database.exec("BEGIN IMMEDIATE");
        try {
          let newest: { readonly n: number; readonly line: Buffer } | undefined;
          for (let from = 0; from < whole; ) {
            const to = step.indexOf(0x0a, from) + 1;
            const line = step.subarray(from, to);
            const n = take(line, at + from);
            if (n !== undefined) newest = { n, line };
            from = to;
          }
          if (newest !== undefined) readTo.run(newest.n, hashOf(newest.line));
          database.exec("COMMIT");
        } catch (error) {
          database.exec("ROLLBACK");
          throw error;
        }
        at += whole;
        upTo = last()?.n ?? 0;
      }
    },
    search(query) {
      const [sql, values] = statement(query);
      const rows = database.prepare(sql).all(...values, query.limit + 1);
      const page = rows.slice(0, query.limit);
      const lines = page.map((row: Row) => bytesAt(Number(row.place), Number(row.bytes) - 1).toString("utf8"));
      return { lines, next: rows.length > query.limit ? Number(page.at(-1)?.n) : undefined, upTo };
    },
    [Symbol.dispose]() {
      database.close();
      closeSync(log);
    },
  };
}

/** It holds nothing that the file does not hold. */
function openOrRemake(path: string): ReturnType<typeof openDatabase> {
  try {
    return openDatabase(path, migrations);
  } catch {
    return remade(path);
  }
}

function remade(path: string): ReturnType<typeof openDatabase> {
  for (const end of ["", "-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
  return openDatabase(path, migrations);
}

/** The statement of a query, without its limit. */
function statement({ filter, before, after }: AuditQuery): [sql: string, values: SQLInputValue[]] {
  const parts: [string, ...SQLInputValue[]][] = [...eventParts(filter)];
  const { fromMs, untilMs, who, target, session, recording, outcome } = filter;
  for (const [name, value] of Object.entries({ who, target, session, recording, outcome }))
    if (value !== undefined) parts.push([`${name} = ?`, value]);
  if (fromMs !== undefined) parts.push(["at_ms >= ?", Math.floor(fromMs)]);
  if (untilMs !== undefined) parts.push(["at_ms < ?", Math.floor(untilMs)]);
  if (before !== undefined) parts.push(["n < ?", before]);
  if (after !== undefined) parts.push(["n > ?", after]);
  const where = parts.length === 0 ? "" : `WHERE ${parts.map(([sql]) => sql).join(" AND ")}`;
  const order = after === undefined ? "DESC" : "ASC";
  const values = parts.flatMap(([, ...each]) => each);
  return [`SELECT n, place, bytes FROM lines ${where} ORDER BY n ${order} LIMIT ?`, values];
}

function eventParts({ events = [] }: AuditFilter): [string, ...SQLInputValue[]][] {
  if (events.length === 0) return [];
  // "-" is followed by "." in ASCII: all words that begin so stand between the two.
  const each = events.map((word) => (word.endsWith("-") ? "(event >= ? AND event < ?)" : "event = ?"));
  const values = events.flatMap((word) => (word.endsWith("-") ? [word, `${word.slice(0, -1)}.`] : [word]));
  return [[`(${each.join(" OR ")})`, ...values]];
}
