/** Puts the questions of a login into one operator's stream and hands his answers back. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  NoticeKind,
  type PromptAnswer,
  PromptKind,
  PromptSchema,
  type ShellResponseSchema,
} from "../../proto/gen/bartizan/v1/session_pb.ts";
import { BartizanFault } from "../errors.ts";
import { orAborted } from "../flow/life.ts";
import type { Agreed, Answer, Ask, Question } from "../target/target.ts";

type ShellEvent = NonNullable<MessageInitShape<typeof ShellResponseSchema>["event"]>;

const promptTimeoutMs = 100_000;
const maxWaiting = 64;
const maxAnswerChars = 4096;

const wireKind: Readonly<Record<Question["kind"], PromptKind>> = {
  "host-key": PromptKind.HOST_KEY,
  password: PromptKind.PASSWORD,
  "keyboard-interactive": PromptKind.KEYBOARD_INTERACTIVE,
  "new-password": PromptKind.NEW_PASSWORD,
};

/** One login's worth of prompts; `close` when the login is over, either way. */
export class Prompter implements Ask {
  readonly #onHostKey: (fingerprint: string, accepted: boolean) => void;
  #agreed: Agreed | undefined;
  #waiting: ShellEvent[] = [];
  #wake: (() => void) | undefined;
  #closed = false;
  #count = 0;
  #open: { readonly id: string; readonly resolve: (answer: Answer) => void } | undefined;

  /** `onHostKey`: told of the answer to each question about a host's key. */
  constructor(onHostKey: (fingerprint: string, accepted: boolean) => void = () => {}) {
    this.#onHostKey = onHostKey;
  }

  async question(question: Question, signal: AbortSignal): Promise<Answer> {
    this.#count += 1;
    const id = String(this.#count);
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#open = { id, resolve };
    this.#put({
      case: "prompt",
      value: create(PromptSchema, {
        ...{ id, timeoutMs: promptTimeoutMs },
        kind: wireKind[question.kind],
        title: question.title,
        instructions: question.instructions,
        ...(question.kind === "host-key"
          ? { hostKey: question.hostKey }
          : { questions: question.questions.map(({ label, echo }) => ({ label, echo })) }),
      }),
    });
    try {
      const answer = await orAborted(promise, signal);
      if (question.kind === "host-key") this.#onHostKey(question.hostKey.fingerprint, answer.accepted === true);
      return answer;
    } finally {
      this.#open = undefined;
    }
  }

  tell(about: "banner" | "info", text: string): void {
    const kind = about === "banner" ? NoticeKind.BANNER : NoticeKind.INFO;
    // A target that talks without end is heard no further.
    if (this.#waiting.length < maxWaiting) this.#put({ case: "notice", value: { kind, text } });
  }

  agreed(agreed: Agreed): void {
    this.#agreed = agreed;
  }

  /** What was agreed with the target; undefined where there was nothing to agree on. */
  get agreement(): Agreed | undefined {
    return this.#agreed;
  }

  /** Throws `invalid` for an answer nobody waits for, or one too long. */
  answer(answer: PromptAnswer): void {
    const open = this.#open;
    if (open === undefined || open.id !== answer.promptId)
      throw new BartizanFault("invalid", "This answers a prompt that is not open.");
    if (answer.answers.some((each) => each.length > maxAnswerChars))
      throw new BartizanFault("invalid", `An answer has at most ${maxAnswerChars} characters.`);
    open.resolve({ accepted: answer.accepted, answers: answer.answers });
  }

  readonly close = (): void => {
    this.#closed = true;
    this.#wake?.();
  };

  /** What is to be sent, in order; ends after `close`, when all is out. Rejects with the signal's reason. */
  async *outgoing(signal: AbortSignal): AsyncGenerator<ShellEvent> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) yield next;
      else if (this.#closed) return;
      else await orAborted(new Promise<void>((resolve) => (this.#wake = resolve)), signal);
    }
  }

  #put(event: ShellEvent): void {
    this.#waiting.push(event);
    this.#wake?.();
  }
}
