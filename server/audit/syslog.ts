/** Deliveries to a syslog server: UDP (RFC 5426), TCP with octet counting (RFC 6587), TLS (RFC 5425). */
import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Clock } from "../flow/clock.ts";
import { orAborted } from "../flow/life.ts";
import type { Delivery, ExportedLine } from "./export-runner.ts";
import { syslogMessage } from "./syslog-message.ts";

export interface SyslogNeeds {
  /** udp://, tcp:// or tls://HOST:PORT, as the config has checked it. */
  readonly address: string;
  readonly facility: number;
  /** PEM; undefined: the system's. */
  readonly ca: string | undefined;
  readonly clock: Clock;
}

/** For a connection, and for each batch to be taken. */
const patienceMs = 10_000;

export function openSyslog(needs: SyslogNeeds): Delivery {
  const [, scheme = "", host = "", port = ""] = /^(\w+):\/\/\[?([^\]]+?)\]?:(\d+)$/.exec(needs.address) ?? [];
  const place = { host, port: Number(port) };
  return scheme === "udp" ? udp(needs, place) : stream(needs, place, scheme === "tls");
}

interface Place {
  readonly host: string;
  readonly port: number;
}

/** A datagram each. Whether they arrive nobody knows. */
function udp({ facility, clock }: SyslogNeeds, { host, port }: Place): Delivery {
  return {
    name: "syslog",
    async send(lines, signal) {
      using patience = within(clock, signal);
      const { address, family } = await orAborted(lookup(host), patience.signal);
      const socket = createSocket(family === 6 ? "udp6" : "udp4");
      try {
        const failed = new Promise<never>((_, reject) => socket.once("error", reject));
        failed.catch(() => {});
        for (const line of lines) {
          const bytes = Buffer.from(syslogMessage(line, facility));
          const sent = new Promise<void>((resolve, reject) => {
            socket.send(bytes, port, address, (error) => (error === null ? resolve() : reject(error)));
          });
          await orAborted(Promise.race([sent, failed]), patience.signal);
        }
      } finally {
        socket.close();
      }
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** One connection for as long as it holds. */
function stream({ facility, ca, clock }: SyslogNeeds, { host, port }: Place, secure: boolean): Delivery {
  let open: Socket | undefined;
  const dial = async (signal: AbortSignal): Promise<Socket> => {
    const named = isIP(host) === 0 ? { servername: host } : {};
    const socket = secure
      ? connectTls({ host, port, ...named, ...(ca === undefined ? {} : { ca }) })
      : connect({ host, port, keepAlive: true });
    const ready = Promise.withResolvers<void>();
    socket.once(secure ? "secureConnect" : "connect", ready.resolve);
    socket.on("error", ready.reject);
    socket.once("close", () => {
      ready.reject(new Error("the connection was closed"));
      if (open === socket) open = undefined;
    });
    // It has nothing to say: an end is all that is listened for.
    socket.resume();
    socket.once("end", () => socket.destroy());
    try {
      await orAborted(ready.promise, signal);
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  };
  return {
    name: "syslog",
    async send(lines, signal) {
      using patience = within(clock, signal);
      open ??= await dial(patience.signal);
      const socket = open;
      try {
        await orAborted(written(socket, framed(lines, facility)), patience.signal);
      } catch (error) {
        socket.destroy();
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      const socket = open;
      if (socket === undefined) return;
      const closed = new Promise((resolve) => socket.once("close", resolve));
      using _limit = clock.after(1000, () => socket.destroy());
      socket.end();
      await closed;
    },
  };
}

function framed(lines: readonly ExportedLine[], facility: number): Buffer {
  const parts = lines.flatMap((line) => {
    const bytes = Buffer.from(syslogMessage(line, facility));
    return [Buffer.from(`${bytes.length} `), bytes];
  });
  return Buffer.concat(parts);
}

/** The system has it: a peer that is gone may still not. */
function written(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const closed = () => reject(new Error("the connection was closed"));
    socket.once("close", closed);
    socket.write(bytes, (error) => {
      socket.off("close", closed);
      if (error) reject(error);
      else resolve();
    });
  });
}

/** The signal, and a limit to how long anything may take. */
function within(clock: Clock, outer: AbortSignal): { readonly signal: AbortSignal } & Disposable {
  const limit = new AbortController();
  const timer = clock.after(patienceMs, () => limit.abort(new Error("it takes too long")));
  return { signal: AbortSignal.any([outer, limit.signal]), [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
