/** The real CLI as a person runs it: in a shell, on a terminal of its own, seen through an emulator. */

import { type ChildProcess, spawn as spawnChild } from "node:child_process";
import { fileURLToPath } from "node:url";
import { spawn } from "@lydell/node-pty";
import xterm from "@xterm/headless";
import { until } from "../support/until.ts";

const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

export interface CliEnv {
  readonly url: string;
  readonly token: string;
  readonly folder: string;
}

export interface CliInPty extends AsyncDisposable {
  type(keys: string): void;
  resize(cols: number, rows: number): void;
  /** As Ctrl-S does: the terminal takes no more output. */
  stop(): void;
  go(): void;
  /** Process id of the CLI itself, once it runs. */
  pid(): Promise<number>;
  /** The lines of the screen. */
  screen(): string[];
  /** Everything written to the terminal so far. */
  raw(): string;
  /** Resolves when the screen shows the text; the error shows the screen. */
  shows(text: string): Promise<void>;
  /** Resolves with the exit code, after which `terminal` is what stty says. */
  over(): Promise<{ readonly code: number; readonly terminal: string }>;
}

function environment({ url, token, folder }: CliEnv): Record<string, string> {
  const { PATH = "/usr/bin:/bin" } = process.env;
  return { PATH, HOME: folder, TERM: "xterm-256color", BARTIZAN_SERVER: url, BARTIZAN_TOKEN: token, LANG: "C.UTF-8" };
}

/** Starts `bartizan ARGS` from an interactive-like shell that reports its exit code and the terminal's state after it. */
export function cliInPty(args: readonly string[], env: CliEnv, cols = 80, rows = 24): CliInPty {
  const script = `trap : INT; stty -a > "$HOME/tty-before"; sh -c 'echo "pid=$$"; exec "$@"' sh "$@"; code=$?; echo; stty -a; echo "code=$code;"; cat > /dev/null`;
  const pty = spawn("/bin/sh", ["-c", script, "sh", process.execPath, main, ...args], {
    ...{ cols, rows, encoding: null },
    env: environment(env),
    cwd: env.folder,
  });
  const terminal = new xterm.Terminal({ cols, rows, allowProposedApi: true, scrollback: 1000 });
  let text = "";
  let gone = false;
  const decoder = new TextDecoder();
  pty.onData((data) => {
    const bytes = data as unknown as Uint8Array;
    text += decoder.decode(bytes, { stream: true });
    terminal.write(bytes);
  });
  pty.onExit(() => {
    gone = true;
  });
  const screen = () => {
    const buffer = terminal.buffer.active;
    return Array.from({ length: terminal.rows }, (_, y) =>
      (buffer.getLine(buffer.viewportY + y)?.translateToString(true) ?? "").trimEnd(),
    );
  };
  return {
    type: (keys) => pty.write(keys),
    stop: () => pty.pause(),
    go: () => pty.resume(),
    resize(nextCols, nextRows) {
      terminal.resize(nextCols, nextRows);
      pty.resize(nextCols, nextRows);
    },
    pid: async () => Number(await until(() => /pid=(\d+)/.exec(text)?.[1], "the CLI runs")),
    screen,
    raw: () => text,
    async shows(wanted) {
      try {
        await until(() => screen().join("\n").includes(wanted), `"${wanted}" on the screen`);
      } catch (error) {
        throw new Error(`no "${wanted}" on\n${screen().join("\n")}`, { cause: error });
      }
    },
    async over() {
      const code = await until(() => /code=(\d+);/.exec(text)?.[1], `the end of bartizan ${args.join(" ")}`).catch(
        () => {
          throw new Error(`bartizan ${args.join(" ")} goes on:\n${screen().join("\n")}`);
        },
      );
      return { code: Number(code), terminal: text.slice(text.lastIndexOf("speed ")) };
    },
    async [Symbol.asyncDispose]() {
      if (!gone) pty.kill("SIGKILL");
      await until(() => gone, "the terminal is closed");
      terminal.dispose();
    },
  };
}

export interface CliRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `bartizan ARGS` with pipes that nobody reads. The caller ends it. */
export function spawnCli(args: readonly string[], env: CliEnv): ChildProcess {
  return spawnChild(process.execPath, [main, ...args], { env: environment(env), cwd: env.folder });
}

/** `bartizan ARGS` with pipes. */
export function cliInPipe(args: readonly string[], env: CliEnv, input = "", signal?: AbortSignal): Promise<CliRun> {
  return new Promise((resolve, reject) => {
    const child = spawnChild(process.execPath, [main, ...args], {
      ...{ env: environment(env), cwd: env.folder },
      ...(signal === undefined ? {} : { signal }),
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (data) => {
      stdout += data;
    });
    child.stderr.setEncoding("utf8").on("data", (data) => {
      stderr += data;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}
