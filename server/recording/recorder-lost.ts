/** The fault of a recording that cannot go on, and what the disk said in words for people. */
import { BartizanFault } from "../errors.ts";

const opening = "This session cannot be recorded: ";

export function recorderLost(detail: string, cause?: unknown): BartizanFault {
  const hint = "An admin has to look after the bastion's disk.";
  return new BartizanFault("recorder-lost", `${opening}${detail}.`, hint, cause);
}

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EROFS: "the disk is read-only",
  EACCES: "the folder of the recordings cannot be written",
  EPERM: "the folder of the recordings cannot be written",
  ENOENT: "the folder of the recordings is gone",
  ENOTDIR: "the folder of the recordings is no folder",
  EMFILE: "the bastion has no more file descriptors",
  ENFILE: "the machine has no more file descriptors",
  EIO: "the disk has failed",
};

/** A line without paths and without a full stop; of `recorderLost`, the detail it was made with. */
export function reasonOf(error: unknown): string {
  if (error instanceof BartizanFault && error.cause === undefined)
    return error.message.replace(opening, "").replace(/\.$/, "");
  if (error instanceof BartizanFault) return reasonOf(error.cause);
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  if (code !== undefined) return reasons[code] ?? `the disk refused (${code})`;
  return error instanceof Error ? error.message : String(error);
}
