/** The thread that has the database of commands: neither inserts nor searches hold anything else up. */
import { closeSync, openSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { BartizanFault } from "../errors.ts";
import { type CommandTable, openCommandTable } from "./command-table.ts";
import type { FromStore, ToStore } from "./store-jobs.ts";

const path = workerData as string;
// What people typed is nobody else's to read; SQLite gives its other files the same mode.
closeSync(openSync(path, "a", 0o600));
const table: CommandTable = openCommandTable(path);

parentPort?.on("message", (message: ToStore) => {
  try {
    post(answer(message));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (message.kind === "put") {
      const { commands, bytes } = message;
      post({ kind: "lost", commands: commands.length, bytes, error: text });
    } else {
      const invalid = error instanceof BartizanFault && error.word === "invalid" ? error.hint : undefined;
      post({ kind: "failed", id: message.id, invalid, error: text });
    }
  }
});

function answer(message: ToStore): FromStore {
  switch (message.kind) {
    case "put":
      table.put(message.commands);
      return { kind: "stored", bytes: message.bytes };
    case "search":
      return { kind: "page", id: message.id, page: table.search(message.query) };
    case "forget":
      table.forget(message.sessionId);
      return { kind: "done", id: message.id };
    case "close":
      table[Symbol.dispose]();
      return { kind: "done", id: message.id };
  }
}

function post(message: FromStore): void {
  parentPort?.postMessage(message);
}
