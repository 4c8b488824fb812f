/** Dials SSH targets with ssh2, by the rules that keep its traps shut. */
import type { LookupFunction, Socket } from "node:net";
import type { Algorithms, Client } from "ssh2";
import { BartizanFault, faultFrom } from "../errors.ts";
import type { TermSize } from "../events.ts";
import { type Clock, systemClock } from "../flow/clock.ts";
import { linked, orAborted } from "../flow/life.ts";
import { type AddressCheck, createAddressCheck } from "./address-check.ts";
import { agentKeys } from "./ssh-agent.ts";
import { createSshAuth } from "./ssh-auth.ts";
import { clampSize, openSshChannel } from "./ssh-channel.ts";
import { faultFromChannel } from "./ssh-errors.ts";
import { openHostCheck } from "./ssh-host-check.ts";
import { ssh2 } from "./ssh-library.ts";
import { login } from "./ssh-login.ts";
import { openPatience } from "./ssh-patience.ts";
import { openSshSocket } from "./ssh-socket.ts";
import type { Ask, Dial, PtyChannel, Question, Target } from "./target.ts";

/** How long each stage of a dial may take, and the rhythm of the open channel. */
export interface SshTimes {
  readonly connectMs: number;
  /** Identification to host key and keys agreed, not counting an open host question. */
  readonly handshakeMs: number;
  /** For one answer of the operator; servers give 120 s for a whole login. */
  readonly promptMs: number;
  /** For one answer of the server to a login try: a push to a telephone waits for a person, too. */
  readonly loginStepMs: number;
  readonly openMs: number;
  readonly overallMs: number;
  readonly keepaliveMs: number;
  readonly keepaliveMissed: number;
  readonly closeMs: number;
  readonly endMs: number;
}

export const sshTimes: SshTimes = {
  connectMs: 10_000,
  handshakeMs: 15_000,
  promptMs: 100_000,
  loginStepMs: 100_000,
  openMs: 15_000,
  overallMs: 600_000,
  keepaliveMs: 10_000,
  keepaliveMissed: 3,
  closeMs: 2_000,
  endMs: 500,
};

/**
 * No group exchange (Node then checks the server's prime, and stands still for up to 34 s), no SHA-1, no CBC, no
 * chacha20 (Terrapin), no compression (24 KB can become 24 MB).
 */
const algorithms: Algorithms = {
  kex: [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group14-sha256",
  ],
  cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes128-ctr"],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"],
  compress: ["none"],
};

/** How names become addresses, and which of those count. */
export interface Ways {
  readonly mayLeadTo?: AddressCheck;
  readonly lookup?: LookupFunction;
}

/** A Dial over ssh2. One connection per channel; the target sees TERM xterm-256color and LANG C.UTF-8. */
export function createSshDial(clock: Clock, times: Partial<SshTimes> = {}, ways: Ways = {}): Dial {
  const limits = { ...sshTimes, ...times };
  const { mayLeadTo = createAddressCheck(), lookup } = ways;
  return (target, size, ask, signal) =>
    dial({ target, size: clampSize(size), ask, signal, clock, times: limits, mayLeadTo, lookup });
}

export const dialSsh: Dial = createSshDial(systemClock);

interface DialNeeds {
  readonly target: Target;
  readonly size: TermSize;
  readonly ask: Ask;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly times: SshTimes;
  readonly mayLeadTo: AddressCheck;
  readonly lookup: LookupFunction | undefined;
}

async function dial(need: DialNeeds): Promise<PtyChannel> {
  const { target, ask, clock, times, signal } = need;
  signal.throwIfAborted();
  const where = `${target.host}:${target.port}`;
  using life = linked(signal);
  using patience = openPatience(clock);
  using _overall = clock.after(times.overallMs, () =>
    life.end(new BartizanFault("target-timeout", `The login to ${target.name} took too long.`, "Connect again.")),
  );
  const put = async (question: Question) => {
    using open = linked(life.signal);
    using _limit = clock.after(times.promptMs, () =>
      open.end(new BartizanFault("login-abandoned", "Nobody answered the question in time.", "Connect again.")),
    );
    try {
      return await patience.whileAsking(orAborted(ask.question(question, open.signal), open.signal));
    } catch (error) {
      if (open.signal.aborted || error instanceof BartizanFault) throw error;
      throw new BartizanFault("login-abandoned", "The operator is gone.", "Connect again.", error);
    }
  };
  const hosts = await openHostCheck({ target, put, refuse: life.end, alive: () => !life.signal.aborted });
  const auth = createSshAuth({
    target,
    put,
    ask,
    tools: { parseKey, agentKeys: (path) => agentKeys(ssh2, path, clock) },
  });
  const { connectMs, handshakeMs } = times;
  const { mayLeadTo, lookup } = need;
  const socket = await openSshSocket({ target, mayLeadTo, lookup, connectMs, handshakeMs, clock }, life.signal);
  const client = new ssh2.Client();
  try {
    const loggedIn = login({
      client,
      socket,
      target,
      ask,
      hosts,
      auth,
      patience,
      algorithms,
      times,
      where,
      end: life.end,
    });
    await orAborted(loggedIn, life.signal);
    const stored = hosts.store();
    patience.stage(times.openMs, () =>
      life.end(new BartizanFault("target-timeout", `${where} opens no shell.`, "Its login scripts or disk may hang.")),
    );
    const channel = await orAborted(openShell(client, socket, need, where), life.signal);
    const trouble = await stored;
    if (trouble !== undefined) ask.tell("info", trouble);
    return channel;
  } catch (error) {
    socket.destroy();
    throw life.signal.aborted ? life.signal.reason : faultFrom(error);
  }
}

/** The channel is made inside the callback: data and an early exit may stand in the same packet. */
function openShell(client: Client, socket: Socket, need: DialNeeds, where: string): Promise<PtyChannel> {
  const { size, clock, signal, times } = need;
  const { closeMs, endMs, keepaliveMs, keepaliveMissed } = times;
  return new Promise((resolve, reject) => {
    try {
      // Window and env apart: in one object ssh2 takes the window for options, and opens 80x24 vt100.
      client.shell(
        { term: "xterm-256color", rows: size.rows, cols: size.cols, width: 0, height: 0 },
        { env: { LANG: "C.UTF-8" } },
        (error, stream) => {
          if (error !== undefined && error !== null) reject(faultFromChannel(error, where));
          else
            resolve(
              openSshChannel({
                stream,
                client,
                socket,
                clock,
                signal,
                size,
                closeMs,
                endMs,
                keepaliveMs,
                keepaliveMissed,
              }),
            );
        },
      );
    } catch (error) {
      reject(faultFromChannel(error, where));
    }
  });
}

function parseKey(data: Buffer | string, passphrase?: string) {
  const parsed = ssh2.utils.parseKey(data, passphrase);
  return Array.isArray(parsed) ? (parsed[0] ?? new Error("no key")) : parsed;
}
