/** Input on its way to the target: passed on at once, counted for whoever sent it, bounded for all streams together. */
import { BartizanFault } from "../errors.ts";
import type { PtyChannel } from "../target/target.ts";
import type { Seat } from "./desk.ts";

/** Input that the target has not taken over yet, of all streams the session has had. */
const maxUnderWayBytes = 1024 * 1024;
/** A stream is told each time so much more was taken over. */
const tellTakenBytes = 32 * 1024;

export class InputLane {
  #underWayBytes = 0;

  /** Resolves when the target took it over. Rejects with `limit` when 1 MiB is not taken over yet. */
  async send(pty: PtyChannel, seat: Seat, input: Uint8Array): Promise<void> {
    if (this.#underWayBytes + input.length > maxUnderWayBytes)
      throw new BartizanFault(
        "limit",
        "The target takes no more input.",
        "Wait for `input_taken` before sending more.",
      );
    this.#underWayBytes += input.length;
    try {
      await pty.write(input);
    } finally {
      this.#underWayBytes -= input.length;
    }
    this.#taken(seat, input.length);
  }

  /** Throws the input away; for who sent it, it is done with. */
  async drop(seat: Seat, input: Uint8Array): Promise<void> {
    this.#taken(seat, input.length);
  }

  #taken({ input: count, viewer }: Seat, bytes: number): void {
    count.takenBytes += bytes;
    if (count.takenBytes - count.toldBytes < tellTakenBytes) return;
    count.toldBytes = count.takenBytes;
    viewer.push({ kind: "input-taken", bytes: count.takenBytes });
  }
}
