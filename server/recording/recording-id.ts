/** The names of recordings, and the one place where a path is made from one. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { BartizanFault } from "../errors.ts";
import type { RecordingId } from "../events.ts";

const form = /^[0-9a-f]{32}$/;

/** 128 random bits: nobody guesses one, and it says nothing about its session. */
export function newRecordingId(): RecordingId {
  return randomBytes(16).toString("hex") as RecordingId;
}

export function isRecordingId(text: string): text is RecordingId {
  return form.test(text);
}

/** The file of a recording in `folder`. Throws `not-found` for anything that is not exactly an id. */
export function castPath(folder: string, id: string): string {
  if (!isRecordingId(id)) throw new BartizanFault("not-found", "There is no such recording.");
  return join(folder, `${id}.cast`);
}

/** The id that a file of the folder is named after; undefined for any other file. */
export function recordingIdOf(fileName: string): RecordingId | undefined {
  const id = /^(.*)\.cast(\.zst)?$/.exec(fileName)?.[1] ?? "";
  return isRecordingId(id) ? id : undefined;
}
