/** The seam between a session and whatever gives it a pty: inventory entries, the channel, prompts, dialling. */
import type { EndCause, TermSize } from "../events.ts";
import type { Secret } from "../flow/secret.ts";

/** How the bastion proves who it is at a target. Secrets are read when dialling, never kept. */
export interface Credentials {
  /** Path of a private key file; undefined: none. */
  readonly keyFile?: string;
  /** An unencrypted private key in memory (the demo target's), PEM or OpenSSH format. */
  readonly keyText?: Secret;
  /** Path of an ssh-agent socket; undefined: no agent. */
  readonly agentSocket?: string;
}

/** One entry of the inventory. */
export interface Target {
  readonly name: string;
  readonly kind: "ssh" | "demo";
  readonly host: string;
  readonly port: number;
  /** Login name on the target. */
  readonly user: string;
  readonly credentials: Credentials;
  /** Keys pinned by the inventory, "type base64" each; when there are any, nothing else is accepted. */
  readonly hostKeys: readonly string[];
  /** known_hosts files to look in, in order; the last one of the bastion's own takes accepted keys. */
  readonly knownHostsFiles: readonly string[];
  /** Where a key that the operator accepted is stored. */
  readonly acceptedKeysFile?: string;
  /** Name to look up in known_hosts instead of `host` (HostKeyAlias). */
  readonly hostKeyAlias?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** True: it may lead to loopback, link-local and metadata addresses, and to this server itself. */
  readonly allowLocal?: boolean;
  readonly source: "config" | "ssh-config" | "demo";
}

/** A question to the operator while the login goes on. All texts are free of control characters. */
export type Question =
  | {
      readonly kind: "host-key";
      readonly title: string;
      readonly instructions: string;
      readonly hostKey: { readonly type: string; readonly fingerprint: string; readonly host: string };
    }
  | {
      readonly kind: "password" | "keyboard-interactive" | "new-password";
      readonly title: string;
      readonly instructions: string;
      readonly questions: readonly { readonly label: string; readonly echo: boolean }[];
    };

/** `accepted: false` gives the login up. `answers` has one string per question. */
export interface Answer {
  readonly accepted: boolean;
  readonly answers: readonly string[];
}

/** What was agreed with a host that let us in, for who keeps account of it. */
export interface Agreed {
  /** The fingerprint of the key that it proved to own. */
  readonly hostKey: string;
  /** Key exchange, host key algorithm, cipher, and the code that guards it where the cipher does not. */
  readonly algorithms: string;
}

/** Puts prompts and the target's own texts to the operator. */
export interface Ask {
  /** Rejects when `signal` aborts or the operator is gone. */
  question(question: Question, signal: AbortSignal): Promise<Answer>;
  /** A line for the operator (the target's banner); control characters are gone already. */
  tell(about: "banner" | "info", text: string): void;
  /** Once, when the target has let us in. */
  agreed?(agreed: Agreed): void;
}

/**
 * The far side; one contract suite for ssh, pods and the embedded target. Chunks of at most 32 KiB; not reading closes
 * the window, so the target blocks. `done` settles exactly once, after the last chunk, and never rejects. Disposing
 * hangs up and settles within 4 s; `output` then ends.
 */
export interface PtyChannel extends AsyncDisposable {
  readonly output: AsyncIterable<Uint8Array>;
  readonly done: Promise<EndCause>;
  /** Resolves when the bytes were taken over, or when the channel is gone (then they are lost, and `done` tells). */
  write(input: Uint8Array): Promise<void>;
  /**
   * Takes back what the target has not let in yet of the one write under way, and says how many bytes: they are lost, and
   * the write resolves in its time. Further writes that are under way are left alone.
   */
  recall(): number;
  /** Clamped to 1..1000; coalesced; never throws. */
  resize(size: TermSize): void;
  /**
   * The last measured round trip to the target, undefined while none is known. Asking has it measured anew, at most every
   * 5 s: the answer to that is for the next who asks.
   */
  latencyMs?(): number | undefined;
}

/**
 * Opens a pty on the target. Verifies the host before anything secret is sent. Rejects with a BartizanFault, or with the
 * signal's reason. Aborting `signal` hangs up at any stage, also after the channel is open.
 */
export type Dial = (target: Target, size: TermSize, ask: Ask, signal: AbortSignal) => Promise<PtyChannel>;
