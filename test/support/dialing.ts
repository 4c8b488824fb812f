/** Small tools to dial targets in tests: operators who answer in a set way, and readers that wait for text. */
import type { Answer, Ask, Dial, PtyChannel, Question, Target } from "../../server/target/target.ts";

export interface Operator extends Ask {
  readonly asked: Question[];
  readonly told: { readonly about: "banner" | "info"; readonly text: string }[];
}

/** Answers each question by `answer`; without one the operator refuses all. */
export function operator(answer?: (question: Question, signal: AbortSignal) => Answer | Promise<Answer>): Operator {
  const asked: Question[] = [];
  const told: { about: "banner" | "info"; text: string }[] = [];
  return {
    asked,
    told,
    async question(question, signal) {
      asked.push(question);
      return (await answer?.(question, signal)) ?? { accepted: false, answers: [] };
    },
    tell(about, text) {
      told.push({ about, text });
    },
  };
}

/** Dials at 80x24 with nothing to abort it. */
export function open(dial: Dial, target: Target, ask: Ask = operator(), signal?: AbortSignal): Promise<PtyChannel> {
  return dial(target, { cols: 80, rows: 24 }, ask, signal ?? new AbortController().signal);
}

export interface Reader {
  /** All bytes so far. */
  readonly bytes: () => Buffer;
  /** Reads on until the text, as Latin-1, matches; rejects when the output ends before. */
  until(wanted: RegExp | string): Promise<string>;
  /** Reads to the end. */
  rest(): Promise<Buffer>;
}

/** Reads only when asked to. */
export function reader(channel: PtyChannel): Reader {
  const chunks: Buffer[] = [];
  const source = channel.output[Symbol.asyncIterator]();
  const step = async () => {
    const { done, value } = await source.next();
    if (done !== true) chunks.push(Buffer.from(value));
    return done !== true;
  };
  const bytes = () => Buffer.concat(chunks);
  return {
    bytes,
    async until(wanted) {
      for (;;) {
        const text = bytes().toString("latin1");
        if (typeof wanted === "string" ? text.includes(wanted) : wanted.test(text)) return text;
        if (!(await step())) throw new Error(`the output ended before ${wanted}: ${text.slice(-500)}`);
      }
    },
    async rest() {
      while (await step());
      return bytes();
    },
  };
}

/** Polls until `check` holds; rejects after `withinMs`. */
export async function eventually(
  check: () => boolean | Promise<boolean>,
  what: string,
  withinMs = 30_000,
): Promise<void> {
  const until = performance.now() + withinMs;
  while (!(await check())) {
    if (performance.now() > until) throw new Error(`did not come to pass: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
