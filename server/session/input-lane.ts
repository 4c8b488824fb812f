/** Input on its way to the target: passed on in order, counted for whoever sent it, bounded for all streams, taken back when it must be. */
import { BartizanFault } from "../errors.ts";
import type { PtyChannel } from "../target/target.ts";
import type { Seat } from "./desk.ts";

/** Input that the target has not taken over yet, of all streams the session has had. */
const maxUnderWayBytes = 1024 * 1024;
/** A stream is told each time so much more was taken over. */
const tellTakenBytes = 32 * 1024;

interface Waiting {
  readonly seat: Seat;
  readonly input: Uint8Array;
  readonly over: PromiseWithResolvers<void>;
}

/** The target is given one piece after another: what it was not given yet can be taken back whole. */
export class InputLane {
  readonly #waiting: Waiting[] = [];
  #passing = false;
  #underWayBytes = 0;

  /** Resolves when the target took it over, or it was taken back. Rejects with `limit` when 1 MiB is not taken over yet. */
  async send(pty: PtyChannel, seat: Seat, input: Uint8Array): Promise<void> {
    if (this.#underWayBytes + input.length > maxUnderWayBytes)
      throw new BartizanFault(
        "limit",
        "The target takes no more input.",
        "Wait for `input_taken` before sending more.",
      );
    this.#underWayBytes += input.length;
    const over = Promise.withResolvers<void>();
    this.#waiting.push({ seat, input, over });
    if (!this.#passing) void this.#pass(pty);
    return over.promise;
  }

  /** Throws the input away; for who sent it, it is done with. */
  async drop(seat: Seat, input: Uint8Array): Promise<void> {
    this.#taken(seat, input.length);
  }

  /** Throws away all that the target has not let in yet, and says how many bytes that were. */
  recall(pty: PtyChannel): number {
    let bytes = pty.recall();
    for (const each of this.#waiting.splice(0)) {
      bytes += each.input.length;
      this.#over(each);
      each.over.resolve();
    }
    return bytes;
  }

  /** Until nothing waits. Never rejects. */
  async #pass(pty: PtyChannel): Promise<void> {
    this.#passing = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { over, input } = next;
      try {
        await pty.write(input);
        this.#over(next);
        over.resolve();
      } catch (error) {
        this.#underWayBytes -= input.length;
        over.reject(error);
      }
    }
    this.#passing = false;
  }

  #over({ seat, input }: Waiting): void {
    this.#underWayBytes -= input.length;
    this.#taken(seat, input.length);
  }

  #taken({ input: count, viewer }: Seat, bytes: number): void {
    count.takenBytes += bytes;
    if (count.takenBytes - count.toldBytes < tellTakenBytes) return;
    count.toldBytes = count.takenBytes;
    viewer.push({ kind: "input-taken", bytes: count.takenBytes });
  }
}
