/** Somebody at a real shell: types keys at a human's pace over a line with a delay, and keeps a trace of both directions. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "@lydell/node-pty";
import { until } from "../support/until.ts";
import { type PreparedShell, prepareShell, type ShellSetup } from "./shells.ts";

/** What the bastion sees, in its order: input as it passes, output after the delay. */
export type TraceEvent =
  | { readonly kind: "output" | "input"; readonly atMs: number; readonly bytes: Uint8Array }
  | { readonly kind: "resize"; readonly atMs: number; readonly cols: number; readonly rows: number };

export interface Trace {
  readonly cols: number;
  readonly rows: number;
  readonly events: readonly TraceEvent[];
  readonly truth: readonly string[];
  readonly secrets: readonly string[];
}

export interface TypistOptions {
  readonly cols: number;
  readonly rows?: number;
  readonly delayMs: number;
  /** Between two keys. */
  readonly keyMs?: number;
}

export interface Typist {
  /** Key by key; a sequence that starts with ESC is one key. */
  keys(text: string): Promise<void>;
  /** All at once, as a paste comes. */
  paste(text: string): void;
  /** Types `text` and Enter, and waits for the next prompt. */
  line(text: string): Promise<void>;
  /** Waits until one more prompt is there than when the last `line`, `enter` or `mark` began. */
  prompt(): Promise<void>;
  /** From here on `prompt` waits for a new one. */
  mark(): void;
  /** Types Enter and waits for the prompt. */
  enter(): Promise<void>;
  /** Waits until this was printed since the last key. */
  printed(text: string): Promise<void>;
  /** Waits until the newest output is this question, and pauses: a program reads. */
  asked(question: string): Promise<void>;
  /** Waits until the output pauses. */
  quiet(ms?: number): Promise<void>;
  pause(ms: number): Promise<void>;
  /** Types something that must never be found, and Enter. */
  secret(text: string): Promise<void>;
  /** What a shell without hooks ran. */
  ran(text: string): void;
  resize(cols: number, rows: number): void;
}

export interface Desktop extends AsyncDisposable {
  readonly typist: Typist;
  /** Called with each event as the bastion would see it. */
  onEvent(listener: (event: TraceEvent) => void): void;
  /** Hangs up and gives what was seen. */
  over(): Promise<Trace>;
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export function sitDown(setup: ShellSetup, options: TypistOptions): Desktop {
  const { cols, rows = 24, delayMs, keyMs = 12 } = options;
  const folder = mkdtempSync(join(tmpdir(), "bartizan-typist-"));
  const prepared: PreparedShell = prepareShell(setup, folder);
  const [file = "", ...args] = prepared.argv;
  const pty = spawn(file, args, {
    cols,
    rows,
    encoding: null,
    env: { ...prepared.env },
    cwd: prepared.env.HOME ?? "/",
  });
  const events: TraceEvent[] = [];
  const listeners: ((event: TraceEvent) => void)[] = [];
  const secrets: string[] = [];
  const extra: string[] = [];
  const startMs = performance.now();
  const now = () => performance.now() - startMs;
  let heardAtMs = 0;
  let gone = false;
  let seen = 0;
  /** The output since the last key. */
  let output = "";
  const add = (event: TraceEvent) => {
    events.push(event);
    for (const each of listeners) each(event);
  };
  pty.onData((data) => {
    const bytes = Uint8Array.from(data as unknown as Uint8Array);
    const show = () => {
      heardAtMs = now();
      output = (output + Buffer.from(bytes).toString("latin1")).slice(-10_000);
      add({ kind: "output", atMs: heardAtMs, bytes });
    };
    if (delayMs === 0) show();
    else setTimeout(show, delayMs);
  });
  pty.onExit(() => {
    gone = true;
  });
  const send = (text: string) => {
    add({ kind: "input", atMs: now(), bytes: Buffer.from(text) });
    output = "";
    pty.write(text);
  };
  const quiet = async (ms = 70) => {
    await wait(delayMs + ms);
    await until(() => gone || now() - heardAtMs > ms, "the output pauses", 20_000);
  };
  let jitter = 7;
  const typist: Typist = {
    async keys(text) {
      for (const key of text.match(/\x1b(\[[0-9;]*[A-Za-z~]|O[A-Z]|[^[O])|[^\x1b]|\x1b/gu) ?? []) {
        send(key);
        jitter = (jitter * 31 + 11) % 17;
        await wait(keyMs / 2 + (keyMs * jitter) / 16);
      }
    },
    paste: (text) => send(setup.plainPaste ? text.replaceAll(/\x1b\[20[01]~/g, "").replaceAll("\n", "\r") : text),
    mark: () => {
      seen = prepared.prompts();
    },
    async prompt() {
      await until(() => prepared.prompts() > seen, `a prompt of ${setup.shell} ${setup.prompt}`, 20_000);
      await quiet(30);
      seen = prepared.prompts();
    },
    async enter() {
      typist.mark();
      send("\r");
      await typist.prompt();
    },
    async line(text) {
      await typist.keys(text);
      await typist.enter();
    },
    async printed(text) {
      await until(() => gone || output.includes(text), `${JSON.stringify(text)} is printed`, 20_000);
    },
    async asked(question) {
      await until(() => gone || output.endsWith(question), `the question ${JSON.stringify(question)}`, 20_000);
      await quiet();
    },
    quiet,
    pause: wait,
    async secret(text) {
      secrets.push(text);
      await typist.keys(text);
      send("\r");
    },
    ran: (text) => void extra.push(text),
    resize(nextCols, nextRows) {
      add({ kind: "resize", atMs: now(), cols: nextCols, rows: nextRows });
      pty.resize(nextCols, nextRows);
    },
  };
  const close = async () => {
    if (!gone) pty.kill("SIGHUP");
    await until(() => gone, "the shell ends", 10_000).catch(() => pty.kill("SIGKILL"));
    rmSync(folder, { recursive: true, force: true });
  };
  return {
    typist,
    onEvent: (listener) => void listeners.push(listener),
    async over() {
      await quiet();
      return { cols, rows, events, truth: [...prepared.truth(), ...extra], secrets };
    },
    [Symbol.asyncDispose]: close,
  };
}
