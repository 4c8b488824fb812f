/** Removes all that is kept of a session: the file in every form, what was found in it, its place in the list. */
import type { SessionId } from "../events.ts";
import { removeRecording } from "./archive.ts";
import type { Catalogue } from "./catalogue.ts";
import type { RecordingInfo } from "./recording.ts";

export interface EraseNeeds {
  readonly folder: string;
  readonly catalogue: Catalogue;
  /** The commands that were typed in the session go with its recording. */
  readonly forgetCommands: (sessionId: SessionId) => Promise<void>;
}

/** The caller has left a tombstone in the audit log: a file that is gone without one is missing. */
export type Erase = (info: Pick<RecordingInfo, "id" | "sessionId">) => Promise<void>;

/** The list last: what could not be removed stays in it, to be removed again. Rejects when the disk does. */
export function createErase({ folder, catalogue, forgetCommands }: EraseNeeds): Erase {
  return async ({ id, sessionId }) => {
    await removeRecording(folder, id);
    await forgetCommands(sessionId);
    catalogue.remove(id);
    // What was being packed looks at the list when it is done: it came before this, or removes itself.
    await removeRecording(folder, id);
  };
}
