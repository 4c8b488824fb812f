/** The list of recordings on a full disk: sessions, and the server, go on without it. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { createMemoryTarget } from "../support/memory-target.ts";
import { dataOf, onlyCast } from "../support/recordings-of.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { operate } from "../support/viewing.ts";

// A rejection that nobody handles fails the run, as it would end the server.
test("a session ends well although its end, and the count of its commands, cannot be listed", async () => {
  const memory = createMemoryTarget();
  const bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial });
  const data = dataOf(bastion);
  await using _bastion = bastion;
  {
    // What SQLite says of a full disk, for every change of a row from now on.
    using list = new DatabaseSync(join(data, "recordings.db"));
    list.exec(`CREATE TRIGGER full BEFORE UPDATE ON recordings
      BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`);
  }
  await using shell = operate(bastion.clients(), "memory");
  await shell.started();
  memory.pty().exit({ kind: "exited", code: 3 });
  await shell.ended();
  expect(onlyCast(data).final).toMatchObject({ kind: "exited" });
});
