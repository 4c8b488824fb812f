/** access.db in the data folder: what the server has to remember about who may come in. One file, one list of migrations. */
import { closeSync, constants, fchmodSync, openSync } from "node:fs";
import { BartizanFault } from "../errors.ts";
import { type DatabaseSync, openDatabase } from "../store/database.ts";

/** Each is SQL that was never changed since it was published. Times are wall clock, ms. */
const migrations = [
  `CREATE TABLE api_tokens (
     id TEXT PRIMARY KEY,
     owner TEXT NOT NULL,
     label TEXT NOT NULL,
     kind TEXT NOT NULL,
     digest BLOB NOT NULL,
     roles TEXT NOT NULL,
     narrowed TEXT NOT NULL,
     created_ms INTEGER NOT NULL,
     expires_ms INTEGER NOT NULL,
     used_ms INTEGER,
     used_from TEXT
   ) STRICT;
   CREATE INDEX api_tokens_by_owner ON api_tokens (owner);`,
  `CREATE TABLE people (
     name TEXT PRIMARY KEY,
     issuer TEXT NOT NULL,
     subject TEXT NOT NULL,
     roles TEXT NOT NULL,
     signed_in_ms INTEGER NOT NULL,
     UNIQUE (issuer, subject)
   ) STRICT;
   CREATE TABLE sign_ins (
     digest BLOB PRIMARY KEY,
     name TEXT NOT NULL,
     roles TEXT NOT NULL,
     until_ms INTEGER NOT NULL,
     used_ms INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX sign_ins_by_name ON sign_ins (name);`,
  // A lock that was lifted stays a while: a node that was away must hear of it.
  `CREATE TABLE locks (
     id TEXT PRIMARY KEY,
     user TEXT NOT NULL,
     role TEXT NOT NULL,
     target TEXT NOT NULL,
     reason TEXT NOT NULL,
     set_by TEXT NOT NULL,
     set_ms INTEGER NOT NULL,
     until_ms INTEGER,
     lifted_ms INTEGER,
     lifted_by TEXT
   ) STRICT;`,
  // What the config makes of his groups is asked anew each time. Who signed in before has none until he does so again.
  `ALTER TABLE people DROP COLUMN roles;
   ALTER TABLE people ADD COLUMN groups TEXT NOT NULL DEFAULT '[]';`,
  // Whose name it is that owns a token. Of those made before it is not known: they are worth nothing.
  "ALTER TABLE api_tokens ADD COLUMN origin TEXT NOT NULL DEFAULT '';",
];

/** The caller closes it. `path` may be ":memory:". Throws `config` when it cannot be used. */
export function openAccessDb(path: string): DatabaseSync {
  if (path !== ":memory:") keepPrivate(path);
  return openDatabase(path, migrations);
}

/** Before SQLite opens it: its side files get the mode that the file has. */
function keepPrivate(path: string): void {
  try {
    const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
    const fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    try {
      fchmodSync(fd, 0o600);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code = "unknown error" } = error as NodeJS.ErrnoException;
    throw new BartizanFault("config", `Cannot use ${path} (${code}).`, "Look after the data folder.", error);
  }
}
