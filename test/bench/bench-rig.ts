/** One sshd, one server process, clients to both roads: what every bench of the core stands on. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { serverFlags } from "../../cli/hand-over.js";
import { bearer, type Clients, createClients, openShell, type Shell } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { openSshd, type Sshd } from "../support/sshd.ts";
import type { BenchOrder } from "./bench-server.ts";

export interface BenchRig extends AsyncDisposable {
  readonly sshd: Sshd;
  clients(): Clients;
  /** CPU seconds the server process has used, all threads. */
  cpuSeconds(): number;
  /** Resident memory of the server process now, bytes. */
  residentBytes(): number;
}

/** `recording: false`: the same server without its recorder; `policies`: so many written ones. */
export async function openBenchRig({ recording = true, policies = 0 } = {}): Promise<BenchRig> {
  await using opening = new AsyncDisposableStack();
  const sshd = opening.use(await openSshd({ config: ["MaxStartups 500", "MaxSessions 500"] }));
  const server = opening.adopt(
    fork(new URL("./bench-server.ts", import.meta.url), [], { execArgv: [...serverFlags] }),
    stopped,
  );
  server.send({ target: sshd.target, recording, policies } satisfies BenchOrder);
  const [{ url, token }] = (await once(server, "message")) as [{ url: string; token: string }];
  const held = opening.move();
  return {
    sshd,
    clients() {
      const transport = held.use(createNodeTransport({ baseUrl: url, interceptors: [bearer(token)] }));
      return createClients(transport);
    },
    cpuSeconds: () => cpuSecondsOf(server.pid ?? 0),
    residentBytes: () => residentBytesOf(server.pid ?? 0),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function stopped(child: ChildProcess): Promise<void> {
  const exited = child.exitCode === null ? once(child, "exit") : undefined;
  child.disconnect();
  await exited;
}

/** proc(5): fields 14 and 15 of stat are user and system time in ticks of 10 ms. */
function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function residentBytesOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]) * 1024;
}

/** A terminal on either road: bytes in, bytes out. */
export interface Road extends AsyncDisposable {
  write(bytes: Uint8Array): void;
  /** Called with every chunk that arrives; one listener at a time. */
  onData(listener: (bytes: Uint8Array) => void): void;
}

/** OpenSSH's own client with a remote pty, over pipes. */
export function openSshRoad(sshd: Sshd): Road {
  const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "IdentitiesOnly=yes"];
  const child = spawn("ssh", [
    ...options.flatMap((option) => ["-o", option]),
    ...["-tt", "-F", "none", "-i", sshd.clientKeyFile, "-p", String(sshd.port), `${userInfo().username}@127.0.0.1`],
  ]);
  let listener: (bytes: Uint8Array) => void = () => {};
  child.stdout.on("data", (bytes: Buffer) => listener(bytes));
  return {
    write: (bytes) => void child.stdin.write(bytes),
    onData: (next) => {
      listener = next;
    },
    [Symbol.asyncDispose]: async () => {
      const exited = once(child, "exit");
      child.kill();
      await exited;
    },
  };
}

/** The Shell RPC through the bastion; acknowledges as a terminal would. */
export async function openBastionRoad(clients: Clients, target: string): Promise<Road & { id: string; shell: Shell }> {
  const shell = openShell(clients.sessions, {
    open: { target },
    size: { cols: 80, rows: 24 },
    acks: true,
    reconnect: false,
  });
  let listener: (bytes: Uint8Array) => void = () => {};
  const started = Promise.withResolvers<string>();
  const over = (async () => {
    for await (const event of shell.events) {
      if (event.kind === "output") {
        listener(event.bytes);
        shell.ack(event.offset + event.bytes.length);
      } else if (event.kind === "started") started.resolve(event.session.id);
      else if (event.kind === "prompt") started.reject(new Error("the bench target asks questions"));
    }
  })();
  over.catch(started.reject);
  const id = await started.promise;
  return {
    ...{ id, shell },
    write: (bytes) => void shell.write(bytes),
    onData: (next) => {
      listener = next;
    },
    [Symbol.asyncDispose]: async () => {
      shell.hangUp();
      await over.catch(() => {});
    },
  };
}

/** Resolves when the output has held the text, with all bytes seen until then. */
export function seen(road: Road, text: string, write?: string): Promise<number> {
  return new Promise((resolve) => {
    let tail = Buffer.alloc(0);
    let bytes = 0;
    road.onData((chunk) => {
      bytes += chunk.length;
      tail = Buffer.concat([tail.subarray(-text.length), chunk.subarray(-4096)]);
      if (tail.includes(text)) resolve(bytes);
    });
    if (write !== undefined) road.write(Buffer.from(write));
  });
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

const key = Buffer.from("x");

/** One key at a time, each echoed by the line discipline before the next is sent; ms each. */
export async function echoes(road: Road, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const start = performance.now();
    await new Promise<void>((resolve) => {
      road.onData(() => resolve());
      road.write(key);
    });
    times.push(performance.now() - start);
    // A full line of a terminal in canonical mode takes no more than 4095 characters.
    if (index % 1000 === 999) await seen(road, "x\r\n", "\n");
  }
  return times;
}

export async function ready(road: Road): Promise<void> {
  await seen(road, "READY\r\n", "PS1=; exec bash --norc --noprofile -c 'stty echo; echo READ''Y; exec cat'\n");
}
