/** The commands of one session as they become known: numbered, ended, and handed on again when they change. */
import type { CommandConfidence, CommandSeen } from "../events.ts";

const maxTextLength = 16 * 1024;

export interface NewCommand {
  readonly text: string;
  readonly confidence: CommandConfidence;
  readonly startedMs: number;
  readonly offset: number;
}

export class CommandLog {
  readonly #changed = new Map<number, CommandSeen>();
  #count: number;
  #last: CommandSeen | undefined;
  #cwd = "";

  /** `count`: how many there were before. */
  constructor(count = 0) {
    this.#count = count;
  }

  get count(): number {
    return this.#count;
  }

  /** The newest command, running or not. */
  get last(): CommandSeen | undefined {
    return this.#last;
  }

  /** The newest command while nobody said that it ended. */
  get running(): CommandSeen | undefined {
    return this.#last?.endedMs === undefined ? this.#last : undefined;
  }

  add({ text, confidence, startedMs, offset }: NewCommand): void {
    this.#set({
      ...{ number: ++this.#count, text: clean(text), cwd: this.#cwd, startedMs, confidence },
      ...{ outputFrom: offset, outputTo: offset },
    });
  }

  /** Where the next command will run. */
  cwd(cwd: string): void {
    this.#cwd = cwd;
  }

  /** More is known of the newest command's text. */
  retell(text: string, confidence: CommandConfidence): void {
    if (this.#last !== undefined) this.#set({ ...this.#last, text: clean(text), confidence });
  }

  /** The newest command's output begins here. */
  outputFrom(offset: number): void {
    const { running } = this;
    if (running !== undefined)
      this.#set({ ...running, outputFrom: offset, outputTo: Math.max(offset, running.outputTo) });
  }

  /** The next prompt, or the shell's word that the command is over. Only the first one counts; a status adds to it. */
  end(offset: number, atMs: number, exitCode?: number): void {
    const last = this.#last;
    if (last === undefined) return;
    if (last.endedMs === undefined)
      this.#set({
        ...last,
        endedMs: atMs,
        outputTo: Math.max(offset, last.outputFrom),
        ...(exitCode === undefined ? {} : { exitCode }),
      });
    else if (exitCode !== undefined && last.exitCode === undefined) this.#set({ ...last, exitCode });
  }

  /** What is new since the last call, each command once, in its newest form. */
  take(): CommandSeen[] {
    const all = [...this.#changed.values()];
    this.#changed.clear();
    return all;
  }

  #set(command: CommandSeen): void {
    this.#last = command;
    this.#changed.set(command.number, command);
  }
}

/** Controls other than line feeds are no part of a command; a lone half of a character neither. */
function clean(text: string): string {
  return text
    .slice(0, maxTextLength)
    .replaceAll("\t", "    ")
    .replaceAll(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (char) => (char === "\n" ? char : "\ufffd"))
    .toWellFormed();
}
