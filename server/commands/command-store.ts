/** The store of commands as the other rooms use it: its database is in a thread of its own. */
import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import { orAborted } from "../flow/life.ts";
import type { Log } from "../log.ts";
import type { CommandPage, CommandStore, StoredCommand } from "./command.ts";
import { openCommandTable } from "./command-table.ts";
import type { FromStore, ToStore } from "./store-jobs.ts";

/** Commands are written down together, this often. */
const putMs = 200;
const maxWaiting = 500;
/** What waits for the database is bounded: beyond it commands are lost, and said to be. */
const maxUnderWayBytes = 8 * 1024 * 1024;
const flushBytes = 256 * 1024;
/** Sessions that were forgotten last: what is still found in them is not kept. */
const forgottenKept = 1000;
const ending = import.meta.url.endsWith(".ts") ? ".ts" : ".js";

type Calls = Map<number, { resolve(page: CommandPage | undefined): void; reject(error: unknown): void }>;

/** `path`: the database file, made for the first command or search when it is not there. Throws `config` when it cannot be used. */
export function openCommandStore(options: { path: string; clock: Clock; log: Log }): CommandStore {
  const { path, clock, log } = options;
  // A file that cannot be used is to stop the start, with its reason. A new one is made with the first command.
  if (existsSync(path)) openCommandTable(path)[Symbol.dispose]();
  const calls: Calls = new Map();
  let waiting: StoredCommand[] = [];
  let waitingBytes = 0;
  let underWayBytes = 0;
  /** Commands that found no room since that was last told. */
  let crowdedOut = 0;
  const forgotten = new Set<string>();
  let ids = 0;
  let timer: Disposable | undefined;
  let closed = false;
  let worker: Worker | undefined;

  function start(): Worker {
    const made = new Worker(new URL(`./store-worker${ending}`, import.meta.url), {
      ...{ workerData: path, env: {}, execArgv: [] },
    });
    made.unref();
    made.on("message", (message: FromStore) => answered(message));
    made.on("error", (err) => {
      if (worker !== made) return;
      log.error({ err }, "the store of commands failed and begins again");
      for (const call of calls.values())
        call.reject(new BartizanFault("internal", "The store of commands failed.", "", err));
      calls.clear();
      underWayBytes = 0;
      worker = undefined;
    });
    return made;
  }

  function answered(message: FromStore): void {
    if (message.kind === "stored" || message.kind === "lost") underWayBytes -= message.bytes;
    if (underWayBytes === 0 && crowdedOut > 0) {
      log.error({ commands: crowdedOut }, "commands were lost: the disk was too slow for them");
      crowdedOut = 0;
    }
    if (message.kind === "stored") return;
    if (message.kind === "lost") {
      log.error({ commands: message.commands, reason: message.error }, "commands could not be stored");
      return;
    }
    const call = calls.get(message.id);
    calls.delete(message.id);
    if (message.kind === "page") call?.resolve(message.page);
    else if (message.kind === "done") call?.resolve(undefined);
    else {
      const { invalid, error } = message;
      call?.reject(
        invalid === undefined
          ? new BartizanFault("internal", "The store of commands failed.", "The bastion's log has the details.", error)
          : new BartizanFault("invalid", error, invalid),
      );
    }
  }

  /** The thread starts with the first command or search. */
  const post = (message: ToStore) => {
    worker ??= start();
    worker.postMessage(message);
  };
  const flush = () => {
    timer?.[Symbol.dispose]();
    timer = undefined;
    if (waiting.length === 0) return;
    post({ kind: "put", commands: waiting, bytes: waitingBytes });
    underWayBytes += waitingBytes;
    waiting = [];
    waitingBytes = 0;
  };
  const call = (message: (id: number) => ToStore) =>
    new Promise<CommandPage | undefined>((resolve, reject) => {
      const id = ++ids;
      calls.set(id, { resolve, reject });
      flush();
      post(message(id));
    });
  const refuse = () => {
    if (closed) throw new BartizanFault("draining", "The bastion is shutting down.", "Try again when it is back.");
  };

  return {
    put(command) {
      if (closed || forgotten.has(command.sessionId)) return;
      const bytes = command.text.length * 2 + 200;
      if (underWayBytes + waitingBytes + bytes > maxUnderWayBytes) {
        crowdedOut += 1;
        return;
      }
      // The newest form of a command is enough.
      const at = waiting.findIndex(
        ({ sessionId, number }) => sessionId === command.sessionId && number === command.number,
      );
      if (at >= 0) waiting[at] = command;
      else waiting.push(command);
      waitingBytes += bytes;
      if (waiting.length >= maxWaiting || waitingBytes > flushBytes) flush();
      else timer ??= clock.after(putMs, flush);
    },
    async search(query, signal) {
      refuse();
      const page = await orAborted(
        call((id) => ({ kind: "search", id, query })),
        signal,
      );
      return page ?? { commands: [], next: undefined };
    },
    async forget(sessionId) {
      refuse();
      forgotten.add(sessionId);
      for (const oldest of forgotten) {
        if (forgotten.size <= forgottenKept) break;
        forgotten.delete(oldest);
      }
      await call((id) => ({ kind: "forget", id, sessionId }));
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      if (worker !== undefined || waiting.length > 0) await call((id) => ({ kind: "close", id })).catch(() => {});
      closed = true;
      timer?.[Symbol.dispose]();
      for (const each of calls.values()) each.reject(new BartizanFault("draining", "The bastion is shutting down."));
      await worker?.terminate();
    },
  };
}
