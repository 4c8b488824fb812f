/** The command that was entered last, while more lines may belong to it. */
import type { CommandLog } from "./command-log.ts";
import { type KnownPrompts, looksLikeContinuation } from "./prompts.ts";
import { isIncomplete } from "./shell-syntax.ts";

export interface EnteredLine {
  readonly prompt: string;
  readonly text: string;
  readonly atMs: number;
  readonly offset: number;
  /** Only the typed text tells where the prompt ends. */
  readonly typed: boolean;
}

export class OpenCommand {
  readonly #log: CommandLog;
  #line: EnteredLine | undefined;
  #told = false;
  #doubtful = false;

  constructor(log: CommandLog) {
    this.#log = log;
  }

  /** Something was entered that is not in the log yet. */
  get waits(): boolean {
    return this.#line !== undefined && !this.#told;
  }

  /**
   * A line was entered. `doubtful`: it is believed only when its prompt comes again. `asksOn`: its prompt stands right below
   * the line before, and may be one that asks for more. True when it stands in the log as a command of its own.
   */
  enter(line: EnteredLine, doubtful: boolean, asksOn: boolean): boolean {
    const before = this.#line;
    const more = before !== undefined && isIncomplete(before.text);
    const continues = before !== undefined && line.prompt !== before.prompt && looksLikeContinuation(line.prompt);
    if (before !== undefined && asksOn && (more || continues)) {
      const whole = { ...before, text: `${before.text}\n${line.text}`, offset: line.offset };
      this.#line = whole;
      if (this.#told) this.retell(whole.text);
      else if (!isIncomplete(whole.text)) this.#tell(whole);
      return false;
    }
    this.#doubtful = this.#doubtful && before?.prompt !== line.prompt;
    this.flush();
    if (line.text.trim() === "") return false;
    this.#line = line;
    this.#told = false;
    this.#doubtful = doubtful;
    if (doubtful || isIncomplete(line.text)) return false;
    this.#tell(line);
    return true;
  }

  /** More is known of the command that is in the log. */
  retell(text: string): void {
    if (this.#line !== undefined) this.#line = { ...this.#line, text };
    const { last } = this.#log;
    if (last !== undefined) this.#log.retell(text, last.confidence);
  }

  /** No more lines will come. What is doubtful is dropped unless its prompt came again. */
  flush(prompts?: KnownPrompts): void {
    const line = this.#line;
    const dropped = line !== undefined && this.#doubtful && (prompts?.timesSeen(line.prompt) ?? 0) < 2;
    if (line !== undefined && !this.#told && !dropped) this.#tell(line);
    this.#line = undefined;
  }

  /** It was given up with ^C. */
  giveUp(): void {
    this.#line = undefined;
  }

  #tell(line: EnteredLine): void {
    this.#told = true;
    const { text, atMs, offset, typed } = line;
    this.#log.add({ text, startedMs: atMs, offset, confidence: typed ? "typed" : "observed" });
  }
}
