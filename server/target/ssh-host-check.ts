/** Decides, for one connection, whether the server's host key is the right one, before anything secret is sent. */
import { BartizanFault } from "../errors.ts";
import {
  fingerprint,
  judgeHostKey,
  type KnownHost,
  keyType,
  knownHostsLine,
  linesFor,
  lookupName,
  parseHostKey,
} from "./host-keys.ts";
import { appendKnownHost, readKnownHosts } from "./known-hosts-files.ts";
import type { Answer, Question, Target } from "./target.ts";

export interface HostCheck {
  /** Signature algorithms to offer: those of stored keys first, or a server with several keys would look changed. */
  readonly algorithms: readonly string[];
  /**
   * For ssh2's hostVerifier: returns nothing and answers once, with a strict boolean, at once when nobody must be asked.
   * It is called again at every rekey, and before the server has proved that it owns the key: so nothing is stored here.
   */
  verify(blob: Buffer, answer: (good: boolean) => void): void;
  /** The fingerprint of the key that was found right; undefined before that. */
  readonly fingerprint: string | undefined;
  /** After the login: stores a key that the operator accepted. Says why it could not. */
  store(): Promise<string | undefined>;
}

export interface HostCheckNeeds {
  readonly target: Target;
  /** Asks the operator, within the dial's limits. */
  put(question: Question): Promise<Answer>;
  /** Takes the reason of a refusal, before the answer is given. */
  refuse(fault: unknown): void;
  /** False once the connection is given up: ssh2 throws at late answers. */
  alive(): boolean;
}

const algorithmsOfType: Readonly<Record<string, readonly string[]>> = {
  "ssh-ed25519": ["ssh-ed25519"],
  "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
  "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
  "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
  "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256"],
};

/** Reads what is known about the target. */
export async function openHostCheck(need: HostCheckNeeds): Promise<HostCheck> {
  const { target } = need;
  const name = lookupName(target.host, target.port, target.hostKeyAlias);
  const pinned = target.hostKeys.map(pinnedKey);
  const pins = pinned.length > 0;
  const files = pins ? [] : [...target.knownHostsFiles, ...(target.acceptedKeysFile ? [target.acceptedKeysFile] : [])];
  const lines = pins ? pinned : linesFor(await readKnownHosts(files), name);
  const storedTypes = new Set(lines.filter((line) => line.marker === "none").map((line) => line.type));
  const types = Object.keys(algorithmsOfType);
  const ordered = [...types.filter((type) => storedTypes.has(type)), ...types.filter((type) => !storedTypes.has(type))];
  let accepted: Buffer | undefined;
  let toStore = false;

  const askOperator = async (blob: Buffer): Promise<boolean> => {
    const authority = lines.some((line) => line.marker === "cert-authority");
    const { accepted: yes } = await need.put({
      kind: "host-key",
      title: `Is this the host key of ${target.name}?`,
      instructions: authority
        ? "A certificate authority is known for this host, but the bastion cannot use host certificates. Compare the fingerprint with one from a source you trust."
        : "The bastion has never seen this host. Compare the fingerprint with one from a source you trust.",
      hostKey: { type: keyType(blob), fingerprint: fingerprint(blob), host: name },
    });
    return yes === true;
  };

  return {
    algorithms: ordered.flatMap((type) => algorithmsOfType[type] ?? []),
    get fingerprint() {
      return accepted && fingerprint(accepted);
    },
    verify(given, answer) {
      let answered = false;
      const once = (good: boolean) => {
        if (answered || !need.alive()) return;
        answered = true;
        answer(good === true);
      };
      // ssh2 waits for this very call, so it is alive, whatever the dial thinks after the refusal.
      const refuseNow = (fault: unknown) => {
        need.refuse(fault);
        answered = true;
        answer(false);
      };
      if (accepted !== undefined) {
        if (accepted.equals(given)) once(true);
        else refuseNow(changedInSession(name, accepted, given));
        return;
      }
      const blob = Buffer.from(given);
      const verdict = judgeHostKey(lines, blob);
      if (verdict.kind === "match") {
        accepted = blob;
        once(true);
      } else if (verdict.kind === "revoked") {
        refuseNow(revokedFault(name, blob));
      } else if (verdict.kind === "changed" || verdict.kind === "other-type") {
        refuseNow(changedFault(name, blob, verdict.known, verdict.kind, pins));
      } else {
        askOperator(blob).then((yes) => {
          if (!yes) {
            need.refuse(unknownFault(name, blob));
            return;
          }
          accepted = blob;
          toStore = true;
          once(true);
        }, need.refuse);
      }
    },
    async store() {
      if (!toStore || accepted === undefined || target.acceptedKeysFile === undefined) return undefined;
      toStore = false;
      try {
        await appendKnownHost(target.acceptedKeysFile, knownHostsLine(name, accepted));
        return undefined;
      } catch (error) {
        const why = error instanceof Error && "code" in error ? String(error.code) : "write failed";
        return `The host key could not be stored in ${target.acceptedKeysFile} (${why}): the bastion will ask again next time.`;
      }
    },
  };
}

function pinnedKey(line: string): KnownHost {
  const blob = parseHostKey(line);
  if (blob === undefined) {
    throw new BartizanFault(
      "config",
      "A host key in the target's configuration is not one.",
      'Write it as "ssh-ed25519 AAAA...".',
    );
  }
  return { marker: "none", hosts: "", type: keyType(blob), blob };
}

function unknownFault(name: string, blob: Buffer): BartizanFault {
  return new BartizanFault(
    "host-key-unknown",
    `The host key of ${name} (${keyType(blob)} ${fingerprint(blob)}) was not accepted.`,
    "Compare it with what the target's administrator says, then connect again.",
  );
}

function revokedFault(name: string, blob: Buffer): BartizanFault {
  return new BartizanFault(
    "host-key-revoked",
    `${name} shows a host key that was revoked (${keyType(blob)} ${fingerprint(blob)}).`,
    "Do not log in there: ask the target's administrator for the new key.",
  );
}

function changedFault(
  name: string,
  blob: Buffer,
  known: KnownHost,
  kind: "changed" | "other-type",
  pins: boolean,
): BartizanFault {
  const shown = `${keyType(blob)} ${fingerprint(blob)}`;
  const stored = `${known.type} ${fingerprint(known.blob)}`;
  const source = pins ? "the target's hostKey in the configuration" : "the stored key in known_hosts";
  const what = kind === "changed" ? "The host key changed" : "The host shows a key of a type never seen from it";
  return new BartizanFault(
    "host-key-changed",
    `${what}: ${name} shows ${shown}, known is ${stored}.`,
    `Somebody may be in between. If its administrator confirms the new key, replace ${source}.`,
  );
}

function changedInSession(name: string, before: Buffer, now: Buffer): BartizanFault {
  return new BartizanFault(
    "host-key-changed",
    `${name} changed its host key within the connection: first ${fingerprint(before)}, then ${fingerprint(now)}.`,
    "Somebody may be in between: do not log in, ask the target's administrator.",
  );
}
