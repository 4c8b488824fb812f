/** The list of recordings, in SQLite: made anew from the files when it is lost. Listed by start, never by end. */
import type { Principal, RecordingId, SessionId } from "../events.ts";
import { openDatabase, type Row, type SQLInputValue } from "../store/database.ts";
import type { RecordedCause, RecordingInfo, RecordingMode, RecordingState } from "./recording.ts";

const migrations = [
  `CREATE TABLE recordings (
     id TEXT PRIMARY KEY, session TEXT NOT NULL UNIQUE, epoch TEXT NOT NULL, node TEXT NOT NULL,
     operator TEXT NOT NULL, target TEXT NOT NULL, target_user TEXT NOT NULL, labels TEXT NOT NULL,
     started_ms INTEGER NOT NULL, cols INTEGER NOT NULL, rows INTEGER NOT NULL, mode TEXT NOT NULL,
     state TEXT NOT NULL, duration_ms INTEGER NOT NULL DEFAULT 0, output_bytes INTEGER NOT NULL DEFAULT 0,
     file_bytes INTEGER NOT NULL DEFAULT 0, compressed INTEGER NOT NULL DEFAULT 0, commands INTEGER NOT NULL DEFAULT 0,
     cause TEXT, cause_kind TEXT, seal TEXT) STRICT;
   CREATE INDEX recordings_by_start ON recordings (started_ms DESC, id DESC);
   CREATE INDEX recordings_by_operator ON recordings (operator, started_ms DESC);
   CREATE INDEX recordings_by_target ON recordings (target, started_ms DESC)`,
];

/** What may change after the start. */
export type RecordingChange = Partial<
  Pick<
    RecordingInfo,
    "state" | "durationMs" | "outputBytes" | "fileBytes" | "compressed" | "commands" | "cause" | "seal"
  >
>;

export interface RecordingFilter {
  readonly operator?: string;
  readonly target?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Wall clock, ms. */
  readonly fromMs?: number;
  readonly untilMs?: number;
  readonly causeKind?: RecordedCause["kind"];
  readonly state?: RecordingState;
}

/** Where the next page begins: after this recording. */
export interface PagePoint {
  readonly startedAtMs: number;
  readonly id: RecordingId;
}

export interface Catalogue extends Disposable {
  add(info: RecordingInfo): void;
  change(id: RecordingId, change: RecordingChange): void;
  remove(id: RecordingId): void;
  /** By its own id, or its session's. */
  find(idOrSession: string): RecordingInfo | undefined;
  /** Newest start first, at most `limit`. */
  list(filter: RecordingFilter, limit: number, after?: PagePoint): RecordingInfo[];
}

/** `path`: the database file, or ":memory:". Throws as `openDatabase`. Calls block the thread, for well under 1 ms each. */
export function openCatalogue(path: string): Catalogue {
  const database = openDatabase(path, migrations);
  const insert = database.prepare(
    `INSERT INTO recordings VALUES (:id, :session, :epoch, :node, :operator, :target, :target_user, :labels, :started_ms,
     :cols, :rows, :mode, :state, :duration_ms, :output_bytes, :file_bytes, :compressed, :commands, :cause, :cause_kind, :seal)`,
  );
  const byId = database.prepare("SELECT * FROM recordings WHERE id = ? OR session = ? LIMIT 1");
  const remove = database.prepare("DELETE FROM recordings WHERE id = ?");
  return {
    add(info) {
      insert.run({
        ...{ id: info.id, session: info.sessionId, epoch: info.epoch, node: info.node, target: info.target },
        ...{ operator: info.operator.name, target_user: info.targetUser, labels: JSON.stringify(info.labels) },
        ...{ started_ms: info.startedAtMs, cols: info.size.cols, rows: info.size.rows, mode: info.mode },
        ...(columnsOf(info) as Record<string, SQLInputValue>),
      });
    },
    change(id, change) {
      const columns = Object.entries(columnsOf(change)).filter(([, value]) => value !== undefined);
      if (columns.length === 0) return;
      const sets = columns.map(([name]) => `${name} = ?`).join(", ");
      const values = columns.map(([, value]) => value as SQLInputValue);
      database.prepare(`UPDATE recordings SET ${sets} WHERE id = ?`).run(...values, id);
    },
    remove: (id) => void remove.run(id),
    find(idOrSession) {
      const row = byId.get(idOrSession, idOrSession);
      return row === undefined ? undefined : infoOf(row);
    },
    list(filter, limit, after) {
      const parts = conditions(filter, after);
      const where = parts.length === 0 ? "" : `WHERE ${parts.map(([sql]) => sql).join(" AND ")}`;
      const sql = `SELECT * FROM recordings ${where} ORDER BY started_ms DESC, id DESC LIMIT ?`;
      return database
        .prepare(sql)
        .all(...parts.flatMap(([, values]) => values), limit)
        .map(infoOf);
    },
    [Symbol.dispose]: () => database.close(),
  };
}

/** In full for a whole info (null for what it lacks), else only what is given. */
function columnsOf(change: RecordingChange & { readonly id?: RecordingId }): Record<string, SQLInputValue | undefined> {
  const none = change.id === undefined ? undefined : null;
  const { cause, seal = none, compressed } = change;
  return {
    ...{ state: change.state, duration_ms: change.durationMs, output_bytes: change.outputBytes, seal },
    ...{ file_bytes: change.fileBytes, commands: change.commands },
    compressed: compressed === undefined ? undefined : Number(compressed),
    cause: cause === undefined ? none : JSON.stringify(cause),
    cause_kind: cause?.kind ?? none,
  };
}

function conditions(filter: RecordingFilter, after: PagePoint | undefined): [string, SQLInputValue[]][] {
  const { operator, target, labels = {}, fromMs, untilMs, causeKind, state } = filter;
  const each: [string, SQLInputValue | undefined][] = [
    ["operator = ?", operator],
    ["target = ?", target],
    ["started_ms >= ?", fromMs],
    ["started_ms < ?", untilMs],
    ["cause_kind = ?", causeKind],
    ["state = ?", state],
  ];
  const set = each.flatMap(([sql, value]): [string, SQLInputValue[]][] =>
    value === undefined ? [] : [[sql, [value]]],
  );
  for (const [key, value] of Object.entries(labels))
    set.push(["EXISTS (SELECT 1 FROM json_each(labels) WHERE key = ? AND value = ?)", [key, value]]);
  if (after !== undefined) set.push(["(started_ms, id) < (?, ?)", [after.startedAtMs, after.id]]);
  return set;
}

function infoOf(row: Row): RecordingInfo {
  const text = (name: string) => String(row[name]);
  const count = (name: string) => Number(row[name]);
  return {
    id: text("id") as RecordingId,
    sessionId: text("session") as SessionId,
    ...{ epoch: text("epoch"), node: text("node"), target: text("target"), targetUser: text("target_user") },
    operator: { name: text("operator") } satisfies Principal,
    labels: JSON.parse(text("labels")) as Record<string, string>,
    startedAtMs: count("started_ms"),
    size: { cols: count("cols"), rows: count("rows") },
    mode: text("mode") as RecordingMode,
    state: text("state") as RecordingState,
    ...{ durationMs: count("duration_ms"), outputBytes: count("output_bytes"), fileBytes: count("file_bytes") },
    ...{ compressed: count("compressed") === 1, commands: count("commands") },
    ...(row.cause === null ? {} : { cause: JSON.parse(text("cause")) as RecordedCause }),
    ...(row.seal === null ? {} : { seal: text("seal") }),
  };
}
