/** What a client saw: events of a Shell or Watch gathered, with waits for what a person would see. */
import type { AttachmentEvent } from "../../proto/client/events.ts";
import { type Clients, openShell, openWatch, type Shell, type ShellOptions } from "../../proto/client/index.ts";
import { until } from "./until.ts";

export type Ended = Extract<AttachmentEvent, { kind: "ended" }>;
export type Started = Extract<AttachmentEvent, { kind: "started" }>;

export interface Viewing extends AsyncDisposable {
  readonly events: readonly AttachmentEvent[];
  /** All output and key frames as text, in order. */
  text(): string;
  /** Output bytes alone, joined. */
  bytes(): Buffer;
  started(): Promise<Started>;
  /** Resolves when the output holds the text. */
  shows(text: string): Promise<void>;
  ended(): Promise<Ended>;
  /** Rejects as the events did; resolves when they ended. */
  readonly over: Promise<void>;
  leave(): void;
}

export interface OperatorViewing extends Viewing {
  readonly shell: Shell;
  type(text: string | Uint8Array): Promise<boolean>;
}

function gather(source: AsyncIterable<AttachmentEvent>, onEvent: (event: AttachmentEvent) => void, leave: () => void) {
  const events: AttachmentEvent[] = [];
  const over = (async () => {
    for await (const event of source) {
      events.push(event);
      onEvent(event);
    }
  })();
  over.catch(() => {});
  const find = async <K extends AttachmentEvent["kind"]>(kind: K) => {
    const found = () =>
      events.find((event) => event.kind === kind) as Extract<AttachmentEvent, { kind: K }> | undefined;
    const failed = over.then(() => undefined);
    return await Promise.race([
      until(found, `an event "${kind}"`),
      failed.then(() => found() ?? Promise.reject(new Error(`the stream ended without "${kind}"`))),
    ]);
  };
  const text = () =>
    Buffer.concat(
      events.map((e) => (e.kind === "output" || e.kind === "key-frame" ? e.bytes : new Uint8Array())),
    ).toString("utf8");
  const bytes = () => Buffer.concat(events.map((e) => (e.kind === "output" ? e.bytes : new Uint8Array())));
  return {
    ...{ events, over, leave, text, bytes },
    started: () => find("started"),
    ended: () => find("ended"),
    shows: async (wanted: string) => {
      // What was searched once is not searched again: output may be tens of megabytes.
      let searched = 0;
      let tail = Buffer.alloc(0);
      const found = () => {
        while (searched < events.length) {
          const event = events[searched++];
          if (event?.kind !== "output" && event?.kind !== "key-frame") continue;
          tail = Buffer.concat([tail, event.bytes]);
          if (tail.includes(wanted)) return true;
          tail = tail.subarray(-Buffer.byteLength(wanted));
        }
        return false;
      };
      await until(found, `output with ${JSON.stringify(wanted)}`, 30_000);
    },
    [Symbol.asyncDispose]: async () => {
      leave();
      await over.catch(() => {});
    },
  };
}

export interface OperateOptions {
  readonly size?: { cols: number; rows: number };
  /** False: this client never acknowledges although it said it would. */
  readonly acknowledge?: boolean;
  readonly reconnect?: boolean;
  readonly sessionId?: string;
  readonly follow?: ShellOptions["follow"];
  readonly knocks?: number;
  readonly onPrompt?: (prompt: Extract<AttachmentEvent, { kind: "prompt" }>, shell: Shell) => void;
}

/** Opens a shell; every output is acknowledged at once unless told otherwise. */
export function operate(clients: Clients, target: string, options: OperateOptions = {}): OperatorViewing {
  const { size = { cols: 80, rows: 24 }, acknowledge = true, reconnect = false, sessionId } = options;
  const shell = openShell(clients.sessions, {
    ...{ size, reconnect, acks: true, follow: options.follow, knocks: options.knocks },
    open: sessionId === undefined ? { target } : { sessionId },
  });
  const onEvent = (event: AttachmentEvent) => {
    if (event.kind === "output" && acknowledge) shell.ack(event.offset + event.bytes.length);
    if (event.kind === "prompt") options.onPrompt?.(event, shell);
  };
  const viewing = gather(shell.events, onEvent, () => void shell[Symbol.asyncDispose]());
  return {
    ...viewing,
    shell,
    type: (text) => shell.write(typeof text === "string" ? Buffer.from(text) : text),
  };
}

/** Watches a session. */
export function watch(clients: Clients, sessionId: string, options: { reconnect?: boolean } = {}): Viewing {
  const leaving = new AbortController();
  const events = openWatch(clients.sessions, {
    ...{ sessionId, reconnect: options.reconnect ?? false },
    signal: leaving.signal,
  });
  return gather(
    events,
    () => {},
    () => leaving.abort(),
  );
}
