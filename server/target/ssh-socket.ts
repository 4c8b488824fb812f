/** Our own TCP connection to an SSH server: no delay, bounded greeting, the server's identification handed on in one piece. */
import { lookup as lookUp } from "node:dns";
import { connect, isIP, type LookupFunction, type Socket } from "node:net";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import { printable } from "../flow/printable.ts";
import type { AddressCheck, Destination } from "./address-check.ts";
import { faultFromNetwork } from "./ssh-errors.ts";

/** What we say we are, after "SSH-2.0-" (RFC 4253 section 4.2): no library, no version. */
export const sshIdent = "bartizan";

/** RFC 4253 lets a server send lines before its identification; nobody needs more than this. */
const maxGreetingBytes = 16_384; // 16 KiB

export interface SshSocketNeeds {
  readonly target: Destination;
  readonly mayLeadTo: AddressCheck;
  /** Node's own by default. */
  readonly lookup?: LookupFunction | undefined;
  readonly connectMs: number;
  readonly handshakeMs: number;
  readonly clock: Clock;
}

/**
 * Connects, says our identification at once, and resolves when the server's has come, complete, as the next bytes to be
 * read. ssh2 must get the socket in the same turn; it says the identification again, which is swallowed here. The caller
 * owns the socket and destroys it. Rejects with a fault or the signal's reason, and has destroyed the socket then.
 */
export function openSshSocket(need: SshSocketNeeds, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const { target, mayLeadTo } = need;
    const where = `${target.host}:${target.port}`;
    const host = target.host.replace(/^\[(.*)\]$/, "$1");
    // Node asks no resolver about an address.
    const wrong = isIP(host) === 0 ? undefined : mayLeadTo(target, host);
    if (wrong !== undefined) {
      reject(forbiddenAddress(where, wrong));
      return;
    }
    const socket = connect({
      host,
      port: target.port,
      lookup: checkedLookup(target, mayLeadTo, need.lookup ?? lookUp),
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 15_000,
    });
    let received: Buffer = Buffer.alloc(0);
    let timer = need.clock.after(need.connectMs, () =>
      fail(
        new BartizanFault(
          "target-timeout",
          `${where} does not answer.`,
          "Is the host up, and does a firewall let us in?",
        ),
      ),
    );

    const leave = () => {
      timer[Symbol.dispose]();
      signal.removeEventListener("abort", onAbort);
      socket.off("connect", onConnect).off("data", onData).off("end", onEnd).off("close", onEnd).off("error", fail);
    };
    const fail = (error: unknown) => {
      leave();
      socket.destroy();
      reject(error instanceof Error && "code" in error ? faultFromNetwork(error, where) : error);
    };
    const onAbort = () => {
      leave();
      socket.destroy();
      reject(signal.reason);
    };
    const onConnect = () => {
      const led = mayLeadTo(target, socket.remoteAddress ?? "");
      if (led !== undefined) {
        fail(forbiddenAddress(where, led));
        return;
      }
      timer[Symbol.dispose]();
      timer = need.clock.after(need.handshakeMs, () =>
        fail(
          new BartizanFault(
            "target-timeout",
            `${where} accepts the connection and then says nothing.`,
            "Is that the port of its SSH server?",
          ),
        ),
      );
      socket.write(`SSH-2.0-${sshIdent}\r\n`);
    };
    const onEnd = () => fail(endedEarly(where, received));
    const onData = (data: Buffer) => {
      received = received.length === 0 ? data : Buffer.concat([received, data]);
      const complete = hasIdentification(received);
      if (!complete && received.length <= maxGreetingBytes && !isHttp(received)) return;
      if (!complete) {
        fail(notSsh(where, received));
        return;
      }
      leave();
      socket.pause();
      socket.unshift(received);
      swallowFirstWrite(socket);
      resolve(socket);
    };
    socket.on("error", () => {}); // for the socket's whole life: an error without a listener ends the process
    socket.on("connect", onConnect).on("data", onData).on("end", onEnd).on("close", onEnd).on("error", fail);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * The resolver's addresses without those that the target must not lead to: what is connected to is what was checked, so
 * that a name cannot change between the two. A fault when none is left.
 */
function checkedLookup(target: Destination, mayLeadTo: AddressCheck, lookup: LookupFunction): LookupFunction {
  return (host, options, done) => {
    lookup(host, { ...options, all: true }, (error, found) => {
      if (error !== null) return done(error, []);
      const addresses = Array.isArray(found) ? found : [{ address: found, family: isIP(found) }];
      const allowed = addresses.filter(({ address }) => mayLeadTo(target, address) === undefined);
      const [first] = allowed;
      if (first === undefined) {
        const wrong = mayLeadTo(target, addresses[0]?.address ?? "") ?? "nowhere";
        return done(forbiddenAddress(`${target.host}:${target.port}`, wrong), []);
      }
      if (options.all === true) done(null, allowed);
      else done(null, first.address, first.family);
    });
  };
}

function forbiddenAddress(where: string, what: string): BartizanFault {
  return new BartizanFault(
    "target-address",
    `${where} leads to ${what}.`,
    "If that is meant, say `allowLocal: true` with the target in the config.",
  );
}

/** Whether the bytes hold a complete line that begins with "SSH-". */
function hasIdentification(bytes: Buffer): boolean {
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(10, start);
    if (end === -1) return false;
    if (bytes.toString("latin1", start, start + 4) === "SSH-") return true;
    start = end + 1;
  }
  return false;
}

function isHttp(bytes: Buffer): boolean {
  return bytes.toString("latin1", 0, 5) === "HTTP/";
}

/** ssh2 opens by sending our identification, which the server has had since we connected. */
function swallowFirstWrite(socket: Socket): void {
  Object.defineProperty(socket, "write", {
    configurable: true,
    writable: true,
    value: (data: Uint8Array | string, ...rest: []) => {
      Reflect.deleteProperty(socket, "write");
      const text = typeof data === "string" ? data : Buffer.from(data).toString("latin1");
      return text === `SSH-2.0-${sshIdent}\r\n` ? true : socket.write(data, ...rest);
    },
  });
}

function notSsh(where: string, received: Buffer): BartizanFault {
  const what = isHttp(received) ? "speaks HTTP, not SSH" : "does not speak SSH";
  return new BartizanFault("target-protocol", `${where} ${what}.`, "Check the target's port.", said(received));
}

/** Closed before an identification came: some servers say why, in plain text. */
function endedEarly(where: string, received: Buffer): BartizanFault {
  const text = received.toString("latin1");
  if (/not allowed at this time|exceeded maxstartups/i.test(text)) {
    const hint =
      "Wait and try again; its administrator can exempt the bastion (PerSourcePenaltyExemptList, MaxStartups).";
    return new BartizanFault("target-full", `${where} takes no connection from the bastion now.`, hint, said(received));
  }
  if (received.length > 0) return notSsh(where, received);
  const hint = "Either that is no SSH server, or it refuses the bastion for now (allow list, MaxStartups, penalties).";
  return new BartizanFault("target-unreachable", `${where} closed the connection at once.`, hint);
}

/** The server's own words, for the log only. */
function said(received: Buffer): Error {
  return new Error(`the server said: ${printable(received.toString("latin1"), 200)}`);
}
