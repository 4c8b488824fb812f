/** Text that must not get into a log, an error or an answer by mistake: whoever wants to see it has to say so (R57). */
import { inspect } from "node:util";

const hidden = "[secret]";

/** Every way by which a value becomes text without being asked gives the same word for all of them. */
export class Secret {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  /** The text itself, for the one place that needs it. */
  reveal(): string {
    return this.#text;
  }
  toString(): string {
    return hidden;
  }
  toJSON(): string {
    return hidden;
  }
  [Symbol.toPrimitive](): string {
    return hidden;
  }
  [inspect.custom](): string {
    return hidden;
  }
}
