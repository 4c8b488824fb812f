/** The table of commands in SQLite, with its full-text index. Calls block the thread: it is used in a thread of its own. */
import { BartizanFault } from "../errors.ts";
import type { CommandConfidence, SessionId } from "../events.ts";
import { openDatabase, type Row, type SQLInputValue } from "../store/database.ts";
import type { CommandPage, CommandQuery, StoredCommand } from "./command.ts";
import { nameToken, searchExpression } from "./search-text.ts";

/**
 * The id is the time: ms times 1024, and a count within the millisecond. So the newest come first by id alone, times are
 * ranges of ids, and FTS5, whose lists are in order of ids, can stop at the first page. Who and where are words of the index,
 * too: a rare name and a common word meet in the index, and not row by row. A beginning of up to twelve letters has lists of
 * its own: one without would be put together from all words that begin so, which takes 200 ms for common ones.
 */
const migrations = [
  `CREATE TABLE commands (
     id INTEGER PRIMARY KEY, session TEXT NOT NULL, number INTEGER NOT NULL, operator TEXT NOT NULL, target TEXT NOT NULL,
     recording TEXT NOT NULL, text TEXT NOT NULL, cwd TEXT NOT NULL, started_ms INTEGER NOT NULL, ended_ms INTEGER,
     exit_code INTEGER, output_from INTEGER NOT NULL, output_to INTEGER NOT NULL, confidence TEXT NOT NULL,
     UNIQUE (session, number)) STRICT;
   CREATE INDEX commands_by_operator ON commands (operator, id);
   CREATE INDEX commands_by_target ON commands (target, id);
   CREATE INDEX commands_by_both ON commands (operator, target, id);
   CREATE VIRTUAL TABLE command_words USING fts5 (
     text, place, content = '', contentless_delete = 1, prefix = '1 2 3 4 5 6 7 8 9 10 11 12', detail = full,
     tokenize = "unicode61 remove_diacritics 2")`,
];

const perMs = 1024;

export interface CommandTable extends Disposable {
  /** All in one transaction. */
  put(commands: readonly StoredCommand[]): void;
  search(query: CommandQuery): CommandPage;
  forget(sessionId: string): void;
}

/** `path`: the database file, or ":memory:". Throws as `openDatabase`. */
export function openCommandTable(path: string): CommandTable {
  const database = openDatabase(path, migrations);
  const known = database.prepare("SELECT id, text FROM commands WHERE session = ? AND number = ?");
  const lastIn = database.prepare("SELECT max(id) AS id FROM commands WHERE id >= ? AND id < ?");
  const insert = database.prepare(
    `INSERT INTO commands VALUES (:id, :session, :number, :operator, :target, :recording, :text, :cwd, :started_ms, :ended_ms,
     :exit_code, :output_from, :output_to, :confidence)`,
  );
  const update = database.prepare(
    `UPDATE commands SET text = :text, cwd = :cwd, ended_ms = :ended_ms, exit_code = :exit_code, output_from = :output_from,
     output_to = :output_to, confidence = :confidence, recording = :recording WHERE id = :id`,
  );
  const addWords = database.prepare("INSERT INTO command_words (rowid, text, place) VALUES (?, ?, ?)");
  const dropWords = database.prepare("DELETE FROM command_words WHERE rowid = ?");

  const freeId = (atMs: number): number => {
    for (let ms = Math.max(0, Math.floor(atMs)); ; ms++) {
      const last = lastIn.get(ms * perMs, (ms + 1) * perMs) as { id: number | null };
      const id = last.id === null ? ms * perMs : last.id + 1;
      if (id < (ms + 1) * perMs) return id;
    }
  };
  const put = (command: StoredCommand) => {
    const { sessionId: session, number, operator, target, text } = command;
    const values = {
      ...{ text, cwd: command.cwd, confidence: command.confidence, recording: command.recordingId },
      ...{ output_from: command.outputFrom, output_to: command.outputTo },
      ...{ ended_ms: command.endedMs ?? null, exit_code: command.exitCode ?? null },
    };
    const place = `${nameToken("o", operator)} ${nameToken("t", target)}`;
    const old = known.get(session, number) as { id: number; text: string } | undefined;
    const id = old?.id ?? freeId(command.atMs);
    if (old === undefined)
      insert.run({ ...values, id, session, number, operator, target, started_ms: command.startedMs });
    else update.run({ ...values, id });
    if (old?.text === text) return;
    if (old !== undefined) dropWords.run(id);
    addWords.run(id, text, place);
  };
  const inTransaction = (work: () => void) => {
    database.exec("BEGIN IMMEDIATE");
    try {
      work();
      database.exec("COMMIT");
    } catch (error) {
      database.exec("ROLLBACK");
      throw error;
    }
  };

  return {
    put: (commands) =>
      inTransaction(() => {
        for (const command of commands) put(command);
      }),
    search(query) {
      const [sql, values] = statement(query);
      const rows = database.prepare(sql).all(...values, query.limit + 1);
      const commands = rows.slice(0, query.limit);
      return {
        commands: commands.map(commandOf),
        next: rows.length > query.limit ? Number(commands.at(-1)?.id) : undefined,
      };
    },
    forget: (sessionId) =>
      inTransaction(() => {
        const ids = database.prepare("SELECT id FROM commands WHERE session = ?").all(sessionId);
        for (const { id } of ids) dropWords.run(Number(id));
        database.prepare("DELETE FROM commands WHERE session = ?").run(sessionId);
      }),
    [Symbol.dispose]: () => database.close(),
  };
}

/** The statement of a query, without its limit. */
function statement(query: CommandQuery): [sql: string, values: SQLInputValue[]] {
  const { operator, target, sessionId, fromMs, untilMs, after } = query;
  const inSession = sessionId !== undefined;
  const expression = query.text === undefined || query.text.trim() === "" ? undefined : searchExpression(query.text);
  if (query.text !== undefined && query.text.trim() !== "" && expression === undefined)
    throw new BartizanFault(
      "invalid",
      "The text to search for has no letter and no digit.",
      "Signs alone are not indexed.",
    );
  const byWords = expression !== undefined;
  const id = byWords ? "command_words.rowid" : "commands.id";
  // Where words are searched for, names are words as well: no index of the table is to be tried first.
  const plus = byWords ? "+" : "";
  const parts: [string, SQLInputValue][] = [];
  if (expression !== undefined) {
    const places = [
      ...(operator === undefined ? [] : [nameToken("o", operator)]),
      ...(target === undefined ? [] : [nameToken("t", target)]),
    ].map((token) => `place : "${token}"`);
    parts.push(["command_words MATCH ?", [expression, ...places].join(" AND ")]);
  }
  if (sessionId !== undefined) {
    parts.push([`${plus}session = ?`, sessionId]);
    if (byWords)
      for (const [sign, end] of [
        [">=", "min"],
        ["<=", "max"],
      ])
        parts.push([`${id} ${sign} (SELECT ${end}(c.id) FROM commands c WHERE c.session = ?)`, sessionId]);
  }
  if (operator !== undefined) parts.push([`${plus}operator = ?`, operator]);
  if (target !== undefined) parts.push([`${plus}target = ?`, target]);
  if (fromMs !== undefined) parts.push([`${id} >= ?`, Math.floor(fromMs) * perMs]);
  if (untilMs !== undefined) parts.push([`${id} < ?`, Math.floor(untilMs) * perMs]);
  if (after !== undefined) parts.push([`${id} ${inSession ? ">" : "<"} ?`, after]);
  const where = parts.length === 0 ? "" : `WHERE ${parts.map(([sql]) => sql).join(" AND ")}`;
  const from = byWords ? "command_words JOIN commands ON commands.id = command_words.rowid" : "commands";
  const sql = `SELECT commands.* FROM ${from} ${where} ORDER BY ${id} ${inSession ? "ASC" : "DESC"} LIMIT ?`;
  return [sql, parts.map(([, value]) => value)];
}

function commandOf(row: Row): StoredCommand {
  const text = (name: string) => String(row[name]);
  const count = (name: string) => Number(row[name]);
  return {
    sessionId: text("session") as SessionId,
    ...{ number: count("number"), operator: text("operator"), target: text("target"), recordingId: text("recording") },
    ...{ text: text("text"), cwd: text("cwd"), startedMs: count("started_ms"), atMs: Math.floor(count("id") / perMs) },
    ...(row.ended_ms === null ? {} : { endedMs: count("ended_ms") }),
    ...(row.exit_code === null ? {} : { exitCode: count("exit_code") }),
    ...{ outputFrom: count("output_from"), outputTo: count("output_to") },
    confidence: text("confidence") as CommandConfidence,
  };
}
