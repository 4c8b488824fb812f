/** The demo target's child process: a real SSH server on loopback that lets one key in and gives a login shell. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { constants } from "node:os";
import type { AuthContext, Connection, ServerChannel, Session } from "ssh2";
import { type DemoPty, openDemoPty, type ShellEnd } from "./demo-pty.ts";
import { ssh2 } from "./ssh-library.ts";

/** From the parent, once: the first start has no keys, a restart gives back the ones it got. */
export interface DemoStart {
  readonly port: number;
  readonly hostKey?: string;
  readonly clientKey?: string;
  readonly by: "any" | "script";
  readonly home?: string | undefined;
}

/** To the parent, once it listens. Keys travel here only, never by arguments, environment or files. */
export interface DemoReady {
  readonly port: number;
  readonly hostKey: string;
  /** "type base64". */
  readonly hostPublic: string;
  readonly clientKey: string;
}

/** Unsent output above this stops the shell. */
const pauseAtBytes = 131_072; // 128 KiB
/** After the shell ended, how long a quiet pty may still be held open by what it left in the background. */
const lingerMs = 100;

const allowedEnv = /^(LANG|LC_[A-Z]+|COLORTERM)$/;

async function serve(start: DemoStart, open: Set<DemoPty>): Promise<DemoReady> {
  const hostKey = start.hostKey ?? freshKey();
  const clientKey = start.clientKey ?? freshKey();
  const allowed = publicOf(clientKey);
  const ssh = new ssh2.Server({ hostKeys: [hostKey], ident: "bartizan-demo", algorithms: { compress: ["none"] } });
  ssh.on("connection", (connection) => greet(connection, allowed, start, open));
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    ssh.injectSocket(socket);
  });
  server.listen(start.port, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const blob = publicOf(hostKey);
  return { port, hostKey, hostPublic: `ssh-ed25519 ${blob.toString("base64")}`, clientKey };
}

/** One key in 256 that ssh2 makes it cannot read again. */
function freshKey(): string {
  for (;;) {
    const { private: made } = ssh2.utils.generateKeyPairSync("ed25519");
    if (!(ssh2.utils.parseKey(made) instanceof Error)) return made;
  }
}

function publicOf(privateKey: string): Buffer {
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error) throw key;
  return key.getPublicSSH();
}

function greet(connection: Connection, allowed: Buffer, start: DemoStart, open: Set<DemoPty>): void {
  connection.on("error", () => {});
  connection.on("authentication", (context) => {
    if (mayIn(context, allowed)) context.accept();
    else context.reject(["publickey"]);
  });
  connection.on("session", (accept) => offerShell(accept(), start, open));
}

/** Without a signature the client only asks whether the key would do. */
function mayIn(context: AuthContext, allowed: Buffer): boolean {
  if (context.method !== "publickey" || !context.key.data.equals(allowed)) return false;
  if (context.signature === undefined || context.blob === undefined) return true;
  const key = ssh2.utils.parseKey(context.key.data);
  return !(key instanceof Error) && key.verify(context.blob, context.signature, context.hashAlgo) === true;
}

function offerShell(session: Session, start: DemoStart, open: Set<DemoPty>): void {
  const env: Record<string, string> = {};
  let size = { cols: 80, rows: 24 };
  let term: string | undefined;
  let pty: DemoPty | undefined;
  session.on("pty", (accept, _reject, info) => {
    size = { cols: info.cols, rows: info.rows };
    // The types leave the terminal's name out.
    term = (info as { term?: string }).term ?? "xterm-256color";
    accept?.();
  });
  session.on("env", (accept, reject, info) => {
    const { key, val } = info as { key: string; val: string };
    if (!allowedEnv.test(key)) {
      reject?.();
      return;
    }
    env[key] = val;
    accept?.();
  });
  session.on("window-change", (accept, _reject, info) => {
    size = { cols: info.cols, rows: info.rows };
    pty?.resize(size);
    accept?.();
  });
  session.on("shell", (accept, reject) => {
    if (term === undefined || pty !== undefined) {
      reject();
      return;
    }
    pty = openDemoPty({ size, term, env, by: start.by, home: start.home });
    const opened = pty;
    open.add(opened);
    opened.ended.then(() => open.delete(opened));
    connectShell(accept(), opened);
  });
}

/** Bytes both ways, each held back by the other side, then the exit status behind the last byte. */
function connectShell(channel: ServerChannel, pty: DemoPty): void {
  const { output, input } = pty;
  let closed = false;
  let lastOutputMs = performance.now();
  const over = Promise.withResolvers<void>();
  input.on("error", () => {});
  output.on("error", () => over.resolve()); // a pty whose last user is gone reads as EIO
  output.on("end", () => over.resolve()).on("close", () => over.resolve());
  output.on("data", (bytes: Buffer) => {
    lastOutputMs = performance.now();
    channel.write(bytes, () => {
      if (output.isPaused() && channel.writableLength < pauseAtBytes) output.resume();
    });
    if (channel.writableLength >= pauseAtBytes) output.pause();
  });
  channel.on("error", () => {});
  channel.on("data", (bytes: Buffer) => {
    if (input.writable && !input.write(bytes)) {
      channel.pause();
      input.once("drain", () => channel.resume());
    }
  });
  channel.on("close", () => {
    closed = true;
    pty.hangUp();
  });
  pty.ended.then(async (end) => {
    const timer = setInterval(() => {
      if (!output.isPaused() && performance.now() - lastOutputMs > lingerMs) over.resolve();
    }, lingerMs);
    lastOutputMs = performance.now();
    await over.promise;
    clearInterval(timer);
    if (!closed) sayEnd(channel, end);
    output.destroy();
  });
}

function sayEnd(channel: ServerChannel, end: ShellEnd): void {
  const name = Object.entries(constants.signals).find(([, number]) => number === end.signal)?.[0];
  if (name === undefined) channel.exit(end.code);
  else channel.exit(name.replace(/^SIG/, ""), false, "");
  channel.end();
}

function main(): void {
  // A Ctrl-C in the bastion's terminal reaches this process too, and must leave the shells to the bastion's own end.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => {});
  process.on("SIGHUP", () => {});
  const open = new Set<DemoPty>();
  process.on("disconnect", () => {
    for (const pty of open) pty.hangUp();
    process.exit(0);
  });
  process.once("message", (start: DemoStart) => {
    serve(start, open).then(
      // A parent that has gone meanwhile is no error: the disconnect says it.
      (ready) => process.send?.(ready, () => {}),
      () => process.exit(1),
    );
  });
}

main();
