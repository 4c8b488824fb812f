/** Opens SQLite files, each with its migrations. The one door to that library. */
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { BartizanFault } from "../errors.ts";

export type Row = Record<string, SQLOutputValue>;
export type { DatabaseSync, SQLInputValue, StatementSync };

/**
 * Opens or creates the file (":memory:" for none) and brings it to the newest of `migrations`: each is SQL that was never
 * changed since it was published; `user_version` counts those done. Calls block the thread. Throws `config` for a file that
 * is no database, or is newer than this program.
 */
export function openDatabase(path: string, migrations: readonly string[]): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 5000 });
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON");
    const { user_version: found } = database.prepare("PRAGMA user_version").get() as { user_version: number };
    if (found > migrations.length)
      throw new BartizanFault(
        "config",
        `${path} was written by a newer bartizan.`,
        "Start that version, or move the file away.",
      );
    for (const [index, sql] of migrations.entries()) {
      if (index < found) continue;
      database.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${index + 1}; COMMIT`);
    }
    return database;
  } catch (error) {
    database.close();
    if (error instanceof BartizanFault) throw error;
    throw new BartizanFault("config", `${path} cannot be used (${(error as Error).message}).`, "Move it away.", error);
  }
}

/**
 * Holds the file at `path` in an exclusive transaction until disposed; undefined when another process does. The system
 * frees it when its holder dies. Throws `config` when there can be no such file.
 */
export function lockDatabase(path: string): Disposable | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
    const held = database;
    return { [Symbol.dispose]: () => held.close() };
  } catch (error) {
    database?.close();
    // SQLITE_BUSY
    if ((error as { errcode?: number }).errcode === 5) return undefined;
    throw new BartizanFault("config", `${path} cannot be used (${(error as Error).message}).`, "Move it away.", error);
  }
}
