/** A login shell in a pty for the demo target: by node-pty's addon, or by script(1) where that does not load. */
import { spawn } from "node:child_process";
import { readFileSync, readlinkSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { userInfo } from "node:os";
import { type Readable, Writable } from "node:stream";
import { ReadStream } from "node:tty";
import type { TermSize } from "../events.ts";

/** How the shell ended: a code, or the number of a signal. */
export interface ShellEnd {
  readonly code: number;
  readonly signal: number;
}

export interface DemoPty {
  /** What the shell writes; not reading makes it block. Ends, or fails with EIO, when nothing has the pty open any more. */
  readonly output: Readable;
  /** What the shell reads. */
  readonly input: Writable;
  readonly ended: Promise<ShellEnd>;
  resize(size: TermSize): void;
  /** The shell gets SIGHUP. */
  hangUp(): void;
}

export interface DemoPtyOptions {
  readonly size: TermSize;
  readonly term: string;
  readonly env: Readonly<Record<string, string>>;
  /** The shell's home, where its start-up files are; the user's own by default. */
  readonly home?: string | undefined;
  /** "script" leaves the addon out. */
  readonly by?: "any" | "script";
}

/** What the addon of node-pty gives. Used directly: the package throws unread output away 200 ms after the exit. */
interface PtyAddon {
  fork(
    file: string,
    args: readonly string[],
    env: readonly string[],
    folder: string,
    cols: number,
    rows: number,
    uid: number,
    gid: number,
    utf8: boolean,
    helperPath: string,
    onExit: (code: number, signal: number) => void,
  ): { readonly fd: number; readonly pid: number };
  resize(fd: number, cols: number, rows: number): void;
}

/** Starts this machine's user's login shell in a new pty. */
export function openDemoPty(options: DemoPtyOptions): DemoPty {
  const addon = options.by === "script" ? undefined : loadAddon();
  return addon === undefined ? openByScript(options) : openByAddon(addon, options);
}

function loadAddon(): PtyAddon | undefined {
  try {
    const require = createRequire(import.meta.url);
    const { requireBinary } = require("@lydell/node-pty/requireBinary.js") as { requireBinary(file: string): PtyAddon };
    return requireBinary("pty.node");
  } catch {
    return undefined; // an optional dependency, not built for every platform
  }
}

function shellOf(options: DemoPtyOptions): { file: string; folder: string; env: Record<string, string> } {
  const user = userInfo();
  const file = user.shell ?? "/bin/sh";
  const folder = options.home ?? user.homedir;
  // A login shell makes its own surroundings; nothing of the bastion's environment may leak into it.
  const env = {
    ...options.env,
    HOME: folder,
    USER: user.username,
    LOGNAME: user.username,
    SHELL: file,
    TERM: options.term,
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  };
  return { file, folder, env };
}

function openByAddon(addon: PtyAddon, options: DemoPtyOptions): DemoPty {
  const { file, folder, env } = shellOf(options);
  const { size } = options;
  const ended = Promise.withResolvers<ShellEnd>();
  const pairs = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  let gone = false;
  const onExit = (code: number, signal: number) => {
    gone = true;
    ended.resolve({ code, signal });
  };
  const { fd, pid } = addon.fork(file, ["-l"], pairs, folder, size.cols, size.rows, -1, -1, true, "", onExit);
  const output = new ReadStream(fd);
  return {
    output,
    input: openInput(fd, () => output.destroyed),
    ended: ended.promise,
    resize(to) {
      if (!output.destroyed) addon.resize(fd, to.cols, to.rows);
    },
    hangUp() {
      if (!gone) signalGroup(pid, "SIGHUP"); // later the number may be somebody else's
      output.destroy();
    },
  };
}

/**
 * Not by the tty stream: its writes block this process until the shell reads, which may wait for us to read. The addon
 * made the pty non-blocking. In one turn with the check: the number of a closed file may be another shell's pty.
 */
function openInput(fd: number, closed: () => boolean): Writable {
  return new Writable({
    highWaterMark: 65_536, // 64 KiB
    write(chunk: Buffer, _encoding, done) {
      const send = (bytes: Buffer) => {
        try {
          const written = closed() ? bytes.length : writeSync(fd, bytes);
          if (written >= bytes.length) done();
          else setTimeout(send, 5, bytes.subarray(written));
        } catch (error) {
          if (error instanceof Error && "code" in error && error.code === "EAGAIN") setTimeout(send, 5, bytes);
          else done(); // the shell is gone, and its exit tells
        }
      };
      send(chunk);
    },
  });
}

function openByScript(options: DemoPtyOptions): DemoPty {
  const { file, folder, env } = shellOf(options);
  const { size } = options;
  const ended = Promise.withResolvers<ShellEnd>();
  const command = `stty rows ${size.rows} cols ${size.cols}; exec '${file.replaceAll("'", "'\\''")}' -l`;
  const child = spawn("script", ["-qefc", command, "/dev/null"], {
    cwd: folder,
    env: { ...env, SHELL: "/bin/sh" },
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.on("error", () => ended.resolve({ code: 127, signal: 0 }));
  // script passes a signal's number on as 128 + number, as shells do.
  let over = false;
  child.on("exit", (code) => {
    over = true;
    ended.resolve({ code: code ?? 1, signal: 0 });
  });
  let wanted: TermSize | undefined;
  let working = false;
  const work = () => {
    if (over || wanted === undefined) {
      working = false;
      return;
    }
    const slave = slaveBelow(child.pid);
    if (slave === undefined) {
      setTimeout(work, 20);
      return;
    }
    const { rows, cols } = wanted;
    wanted = undefined;
    const stty = spawn("stty", ["-F", slave, "rows", String(rows), "cols", String(cols)], { stdio: "ignore" });
    stty.on("error", work).on("exit", work);
  };
  return {
    output: child.stdout,
    input: child.stdin,
    ended: ended.promise,
    resize(to) {
      wanted = to;
      if (working) return;
      working = true;
      work();
    },
    hangUp() {
      child.kill("SIGTERM"); // script hangs its shell up
      child.stdin.destroy();
      child.stdout.destroy();
    },
  };
}

/** The terminal of script's child, once its shell runs: before, the first size would overwrite ours. */
function slaveBelow(pid: number | undefined): string | undefined {
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
    const slave = readlinkSync(`/proc/${child}/fd/0`);
    const starting = readFileSync(`/proc/${child}/cmdline`, "utf8").includes("stty rows");
    return slave.startsWith("/dev/pts/") && !starting ? slave : undefined;
  } catch {
    return undefined;
  }
}

function signalGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // gone already
  }
}
