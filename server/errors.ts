/** The closed list of things that can go wrong, as domain code throws them. Only rpc/errors.ts knows wire codes. */

export const faultWords = [
  "unauthenticated",
  "forbidden",
  "not-found",
  "invalid",
  "limit",
  "kicked",
  "keyboard-taken",
  "locked",
  "locks-unknown",
  "not-here",
  "target-unreachable",
  "target-name-unknown",
  "target-address",
  "target-timeout",
  "target-protocol",
  "target-unsupported",
  "target-full",
  "target-forbids",
  "target-no-terminal",
  "target-agent",
  "login-refused",
  "login-abandoned",
  "host-key-unknown",
  "host-key-changed",
  "host-key-revoked",
  "host-key-unproven",
  "provider-unreachable",
  "recorder-lost",
  "holder-unreachable",
  "draining",
  "config",
  "internal",
] as const;

export type FaultWord = (typeof faultWords)[number];

/** `message` says what happened, `hint` what to do about it: both fit for the caller. Foreign text stays in `cause`. */
export class BartizanFault extends Error {
  override readonly name = "BartizanFault";
  readonly word: FaultWord;
  readonly hint: string;
  /** With "not-here": where to go instead. */
  readonly address: string;
  constructor(word: FaultWord, message: string, hint = "", cause?: unknown, address = "") {
    super(message, cause === undefined ? undefined : { cause });
    this.word = word;
    this.hint = hint;
    this.address = address;
  }
}

/** The fault itself, or "internal" around anything else. */
export function faultFrom(error: unknown): BartizanFault {
  return error instanceof BartizanFault
    ? error
    : new BartizanFault("internal", "The bastion failed at this.", "Its log has the details.", error);
}
