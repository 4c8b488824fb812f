/** A real Dropbear server on loopback: the second SSH implementation. Only as root, who may give it a home of its own. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { Target } from "../../server/target/target.ts";
import { answers, descendants, freePort, makeKey } from "./sshd.ts";

export interface Dropbear extends AsyncDisposable {
  readonly target: Target;
  readonly pid: number;
}

export function dropbearUsable(): boolean {
  return existsSync("/usr/sbin/dropbear") && process.getuid?.() === 0;
}

/** Dropbear looks for authorized keys in the user's home only: it runs where passwd names another one. */
export async function openDropbear(): Promise<Dropbear> {
  const folder = mkdtempSync(join(tmpdir(), "bartizan-dropbear-"));
  const user = userInfo();
  const home = join(folder, "home");
  mkdirSync(join(home, ".ssh"), { recursive: true, mode: 0o700 });
  const keyFile = join(folder, "client");
  writeFileSync(join(home, ".ssh", "authorized_keys"), `${makeKey(keyFile, "ed25519")}\n`, { mode: 0o600 });
  const hostFile = join(folder, "host");
  const made = spawnSync("dropbearkey", ["-t", "ed25519", "-f", hostFile], { encoding: "utf8" });
  const hostKey = /^(ssh-ed25519 \S+)/m.exec(made.stdout)?.[1];
  if (hostKey === undefined) throw new Error(`dropbearkey failed: ${made.stderr}`);
  const passwd = readFileSync("/etc/passwd", "utf8").replaceAll(
    new RegExp(`^(${user.username}:.*:)[^:]*(:[^:]*)$`, "gm"),
    `$1${home}$2`,
  );
  writeFileSync(join(folder, "passwd"), passwd, { mode: 0o644 });
  const port = await freePort();
  const log = openSync(join(folder, "log"), "a");
  const command = `/usr/sbin/dropbear -F -E -r ${hostFile} -p 127.0.0.1:${port} -P ${join(folder, "pid")}`;
  const script = `mount --bind ${join(folder, "passwd")} /etc/passwd && exec ${command}`;
  const child = spawn("unshare", ["-m", "--propagation", "private", "sh", "-c", script], {
    stdio: ["ignore", log, log],
  });
  const ended = once(child, "exit");
  const stop = async () => {
    for (const pid of descendants(child.pid ?? 0)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // gone already
      }
    }
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const until = performance.now() + 30_000;
  while (!(await answers(port))) {
    if (child.exitCode !== null || performance.now() > until) {
      const said = readFileSync(join(folder, "log"), "utf8");
      await stop();
      throw new Error(`dropbear did not start: ${said}`);
    }
  }
  const target: Target = {
    name: "bear",
    kind: "ssh",
    host: "127.0.0.1",
    port,
    user: user.username,
    credentials: { keyFile },
    hostKeys: [hostKey],
    knownHostsFiles: [],
    labels: {},
    source: "config",
  };
  return { target, pid: child.pid ?? 0, [Symbol.asyncDispose]: stop };
}
