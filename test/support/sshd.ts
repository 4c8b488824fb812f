/** A real OpenSSH server for tests and benches, on loopback and its own files: the current user logs in by key. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, connect as netConnect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { Target } from "../../server/target/target.ts";

export type HostKeyType = "ed25519" | "rsa" | "ecdsa";

export interface SshdOptions {
  /** Further lines of sshd_config; they come first, so they win over the rig's own. */
  readonly config?: readonly string[];
  /** Host keys to make; ed25519 alone by default. */
  readonly hostKeyTypes?: readonly HostKeyType[];
  /** As root only: `PAM yes` with these users (name and password), in a mount namespace of its own. */
  readonly users?: readonly { readonly name: string; readonly password: string }[];
  /** Port to listen on; a free one by default. */
  readonly port?: number;
  /** Host key files to use instead of fresh ones. */
  readonly hostKeyFiles?: readonly string[];
}

export interface Sshd extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** Public host keys, "type base64" each. */
  readonly hostKeys: readonly string[];
  readonly hostKeyFiles: readonly string[];
  /** Unencrypted ed25519 private key that logs the current user in. */
  readonly clientKeyFile: string;
  /** The rig's own folder, removed at the end. */
  readonly folder: string;
  /** The target as an inventory would have it: key login, host keys pinned. */
  readonly target: Target;
  /** What the server has logged so far. */
  log(): string;
}

/** The server's path, or undefined when none is installed. */
export function sshdPath(): string | undefined {
  return ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"].find((path) => existsSync(path));
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  server.close();
  await once(server, "close");
  return port;
}

/** Makes an unencrypted key pair at `file` (and `file`.pub); returns the public half, "type base64". */
export function makeKey(file: string, type: HostKeyType, passphrase = ""): string {
  const size = type === "rsa" ? ["-b", "2048"] : [];
  const made = spawnSync("ssh-keygen", ["-q", "-t", type, ...size, "-N", passphrase, "-C", "test", "-f", file], {
    input: "y\n",
    encoding: "utf8",
  });
  if (made.status !== 0) throw new Error(`ssh-keygen failed: ${made.stderr}`);
  return publicKeyOf(file);
}

export function publicKeyOf(file: string): string {
  return readFileSync(`${file}.pub`, "utf8").split(" ").slice(0, 2).join(" ");
}

/**
 * Starts sshd in the foreground as a child and resolves when it answers with its identification. Disposing ends it with
 * its sessions and removes its files.
 */
export async function openSshd(options: SshdOptions = {}): Promise<Sshd> {
  const path = sshdPath();
  if (path === undefined) throw new Error("sshd is not installed: apt-get install openssh-server");
  const user = userInfo().username;
  const root = process.getuid?.() === 0;
  if (root) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const folder = mkdtempSync(join(tmpdir(), "bartizan-sshd-"));
  chmodSync(folder, 0o755);
  const hostKeyFiles = [...(options.hostKeyFiles ?? [])];
  for (const type of options.hostKeyFiles ? [] : (options.hostKeyTypes ?? ["ed25519"])) {
    const file = join(folder, `host_${type}`);
    makeKey(file, type);
    hostKeyFiles.push(file);
  }
  const hostKeys = hostKeyFiles.map(publicKeyOf);
  const clientKeyFile = join(folder, "client");
  const clientKey = makeKey(clientKeyFile, "ed25519");
  const authorized = join(folder, "authorized_keys");
  writeFileSync(authorized, `${clientKey}\n`, { mode: 0o644 });
  const logFile = join(folder, "sshd.log");
  const configFile = join(folder, "sshd_config");
  const users = options.users ?? [];
  const port = options.port ?? (await freePort());
  writeFileSync(
    configFile,
    [
      ...(options.config ?? []),
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      ...hostKeyFiles.map((file) => `HostKey ${file}`),
      `PidFile ${join(folder, "pid")}`,
      `AuthorizedKeysFile ${authorized}`,
      "StrictModes no",
      // A home of its own: what the user's start-up files do, or wait for, is no matter of a test.
      ...(users.length === 0 ? [`SetEnv HOME=${folder}`] : []),
      "UseDNS no",
      "PrintMotd no",
      "PrintLastLog no",
      "PermitRootLogin yes",
      "MaxStartups 100",
      "LogLevel VERBOSE",
      ...(users.length > 0
        ? ["UsePAM yes", "PasswordAuthentication yes"]
        : ["UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no"]),
      "",
    ].join("\n"),
  );
  const args = ["-D", "-e", "-f", configFile];
  const [command, commandArgs] =
    users.length > 0
      ? inNamespace(folder, users, [path, ...args])
      : root || terminalsBelongToTty()
        ? ([path, args] as const)
        : withOwnTerminals(folder, [path, ...args]);
  const log = openSync(logFile, "a");
  const child = spawn(command, commandArgs, { stdio: ["ignore", log, log] });
  const ended = once(child, "exit");
  ended.catch(() => {});
  const readLog = () => (existsSync(logFile) ? readFileSync(logFile, "utf8") : "");
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      for (const pid of descendants(child.pid ?? 0)) tryKill(pid);
      child.kill("SIGKILL");
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const until = performance.now() + 30_000;
    while (!(await answers(port))) {
      if (child.exitCode !== null || performance.now() > until) {
        throw new Error(`sshd did not start:\n${readLog()}`);
      }
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const target: Target = {
    name: "box",
    kind: "ssh",
    host: "127.0.0.1",
    port,
    user,
    credentials: { keyFile: clientKeyFile },
    hostKeys,
    knownHostsFiles: [],
    labels: {},
    source: "config",
  };
  return {
    port,
    pid: child.pid ?? 0,
    hostKeys,
    hostKeyFiles,
    clientKeyFile,
    folder,
    target,
    log: readLog,
    [Symbol.asyncDispose]: stop,
  };
}

/** Every process below `pid`, deepest last. */
export function descendants(pid: number): number[] {
  const listed = spawnSync("ps", ["-e", "-o", "pid=,ppid="], { encoding: "utf8" }).stdout.trim().split("\n");
  const rows = listed.map((line) => line.trim().split(/\s+/).map(Number));
  const found: number[] = [];
  const queue = [pid];
  for (let parent = queue.shift(); parent !== undefined; parent = queue.shift()) {
    for (const [child, its] of rows) {
      if (its !== parent || child === undefined) continue;
      found.push(child);
      queue.push(child);
    }
  }
  return found;
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone already
  }
}

/** Whether an SSH server says its identification on the port within 2 s. */
export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = netConnect({ port, host: "127.0.0.1" });
    const settle = (result: boolean) => {
      socket.destroy();
      // A refused connection comes back at once: leave the server a moment of the processor.
      if (result) resolve(true);
      else setTimeout(() => resolve(false), 20);
    };
    socket.setTimeout(2_000, () => settle(false));
    socket.once("error", () => settle(false));
    socket.once("data", (data) => settle(data.toString("latin1").startsWith("SSH-")));
  });
}

/** Whether new terminals get the group that sshd wants; where not, an sshd without root cannot open any. */
function terminalsBelongToTty(): boolean {
  const mounted = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .find((line) => line.includes(" /dev/pts devpts "));
  return mounted?.includes("gid=5") === true;
}

/** Runs `command` as the same user with terminals of its own, in a system without a group tty: nothing to change owners of. */
function withOwnTerminals(folder: string, command: readonly string[]): [string, string[]] {
  const groups = readFileSync("/etc/group", "utf8").replaceAll(/^tty:.*\n/gm, "");
  writeFileSync(join(folder, "group"), groups, { mode: 0o644 });
  const script = [
    `mount --bind ${join(folder, "group")} /etc/group`,
    "mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts /dev/pts",
    "mount --bind /dev/pts/ptmx /dev/ptmx",
    `exec ${command.join(" ")}`,
  ].join(" && ");
  return ["unshare", ["--user", "--map-current-user", "--keep-caps", "--mount", "sh", "-c", script]];
}

/** Runs `command` where passwd, shadow and group have the users too; the machine itself sees nothing of it. */
function inNamespace(
  folder: string,
  users: readonly { readonly name: string; readonly password: string }[],
  command: readonly string[],
): [string, string[]] {
  const files = { passwd: "", shadow: "", group: "" };
  for (const file of ["passwd", "shadow", "group"] as const) files[file] = readFileSync(`/etc/${file}`, "utf8");
  users.forEach(({ name, password }, index) => {
    const id = 54_000 + index;
    const home = join(folder, `home-${name}`);
    mkdirSync(home);
    spawnSync("chown", [`${id}:${id}`, home]);
    const hash = spawnSync("openssl", ["passwd", "-6", "-stdin"], { input: password, encoding: "utf8" }).stdout.trim();
    files.passwd += `${name}:x:${id}:${id}::${home}:/bin/bash\n`;
    files.shadow += `${name}:${hash}:19000:0:99999:7:::\n`;
    files.group += `${name}:x:${id}:\n`;
  });
  const mounts = (["passwd", "shadow", "group"] as const).map((file) => {
    writeFileSync(join(folder, file), files[file], { mode: file === "shadow" ? 0o640 : 0o644 });
    return `mount --bind ${join(folder, file)} /etc/${file}`;
  });
  const script = [...mounts, `exec ${command.join(" ")}`].join(" && ");
  return ["unshare", ["-m", "--propagation", "private", "sh", "-c", script]];
}
