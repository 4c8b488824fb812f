/** The index of the audit log as the other rooms use it: its database is in a thread of its own, which reads the file itself. */
import { Worker } from "node:worker_threads";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import { orAborted } from "../flow/life.ts";
import type { Log } from "../log.ts";
import type { AuditIndex, AuditPage, AuditQuery, FromIndex, ToIndex } from "./audit-query.ts";
import type { AuditLog } from "./open-audit.ts";

/** The index follows the file so closely, once somebody has searched; a search itself waits for nothing. */
const followMs = 1000;
const ending = import.meta.url.endsWith(".ts") ? ".ts" : ".js";

type Calls = Map<number, { resolve(page: AuditPage | undefined): void; reject(error: unknown): void }>;

export interface AuditIndexNeeds {
  /** The database file: made anew from the log when it is lost. */
  readonly path: string;
  readonly audit: Pick<AuditLog, "path" | "lengthBytes" | "onGrown">;
  readonly clock: Clock;
  readonly log: Log;
}

/** The thread starts with the first search. */
export function openAuditIndex({ path, audit, clock, log }: AuditIndexNeeds): AuditIndex {
  const calls: Calls = new Map();
  let ids = 0;
  let worker: Worker | undefined;
  let timer: Disposable | undefined;
  let closed = false;

  const fail = (err: unknown) => {
    for (const { reject } of calls.values())
      reject(
        new BartizanFault("internal", "The index of the audit log failed.", "The bastion's log has the details.", err),
      );
    calls.clear();
  };
  const start = () => {
    const made = new Worker(new URL(`./audit-index-worker${ending}`, import.meta.url), {
      ...{ workerData: { path, logPath: audit.path }, env: {}, execArgv: [] },
    });
    made.unref();
    made.on("message", answered);
    made.on("error", (err) => {
      if (worker !== made) return;
      log.error({ err }, "the index of the audit log failed and begins again");
      worker = undefined;
      fail(err);
    });
    return made;
  };
  const answered = (message: FromIndex) => {
    const call = message.id === undefined ? undefined : calls.get(message.id);
    if (message.id !== undefined) calls.delete(message.id);
    if (message.kind === "page") return call?.resolve(message.page);
    log.error({ reason: message.error }, "the audit log cannot be indexed");
    call?.reject(new BartizanFault("internal", "The index of the audit log failed.", "", message.error));
  };
  const call = (message: (id: number) => ToIndex) =>
    new Promise<AuditPage | undefined>((resolve, reject) => {
      const id = ++ids;
      calls.set(id, { resolve, reject });
      worker ??= start();
      worker.postMessage(message(id));
    });
  const subscription = audit.onGrown(() => {
    if (worker === undefined || closed) return;
    timer ??= clock.after(followMs, () => {
      timer = undefined;
      worker?.postMessage({ kind: "grown", lengthBytes: audit.lengthBytes } satisfies ToIndex);
    });
  });

  return {
    async search(query: AuditQuery, signal) {
      if (closed) throw new BartizanFault("draining", "The bastion is shutting down.", "Try again when it is back.");
      const { lengthBytes } = audit;
      const page = await orAborted(
        call((id) => ({ kind: "search", id, lengthBytes, query })),
        signal,
      );
      return page ?? { lines: [], next: undefined, upTo: 0 };
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      subscription[Symbol.dispose]();
      timer?.[Symbol.dispose]();
      if (worker !== undefined) await call((id) => ({ kind: "close", id })).catch(() => {});
      fail(undefined);
      const last = worker;
      worker = undefined;
      await last?.terminate();
    },
  };
}
