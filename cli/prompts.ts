/** Questions of a login, asked on the terminal: a host key, passwords, codes. Answers are never shown or kept. */

import type { Answer } from "../proto/client/outbox.ts";
import { printable } from "../proto/client/printable.ts";
import { type Prompt, PromptKind } from "../proto/gen/bartizan/v1/session_pb.ts";
import type { TerminalInput } from "./terminal-input.ts";

/** Thrown when the user gives up with Ctrl-C or Ctrl-D. */
export class GivenUp extends Error {
  override readonly name = "GivenUp";
}

/**
 * Puts the prompt to the user and gives the answer to send. `say` writes to the terminal in raw mode. Aborting the
 * signal (the prompt timed out, the call is lost) rejects with its reason. Throws GivenUp.
 */
export async function askOnTerminal(
  prompt: Prompt,
  keys: TerminalInput,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<Answer> {
  const [only, ...others] = prompt.questions;
  // A lone "Password" under the title "Password for ann@host" is one question, not two.
  const asksTitle = only !== undefined && others.length === 0 && startsWith(prompt.title, bare(only.label));
  for (const text of [asksTitle ? "" : prompt.title, prompt.instructions]) {
    for (const line of text.split("\n")) if (line.trim() !== "") say(`${printable(line)}\r\n`);
  }
  if (prompt.kind === PromptKind.HOST_KEY) {
    const key = prompt.hostKey;
    if (prompt.title === "") say(`The host key of ${printable(key?.host ?? "the target")} is not known here.\r\n`);
    say(`  ${printable(key?.host ?? "")} ${printable(key?.type ?? "")} ${printable(key?.fingerprint ?? "")}\r\n`);
    for (;;) {
      const word = await readLine("Is it the right one, and to be remembered? (yes/no) ", true, keys, say, signal);
      if (/^yes$/i.test(word.trim())) return { promptId: prompt.id, accepted: true, answers: [] };
      if (/^no?$/i.test(word.trim())) return { promptId: prompt.id, accepted: false, answers: [] };
      say('Please type "yes" or "no".\r\n');
    }
  }
  const answers: string[] = [];
  for (const question of prompt.questions) {
    const label = asLabel(asksTitle ? prompt.title : question.label);
    answers.push(await readLine(label, question.echo, keys, say, signal));
  }
  return { promptId: prompt.id, accepted: true, answers };
}

const bare = (label: string) => label.trim().replace(/:$/, "");

function startsWith(title: string, label: string): boolean {
  return label !== "" && !title.includes("\n") && title.toLowerCase().startsWith(label.toLowerCase());
}

/** Ends with its own punctuation, or with a colon. */
function asLabel(text: string): string {
  const label = printable(text.trim());
  return label === "" || /[:?>\])]$/.test(label) ? `${label} ` : `${label}: `;
}

/** One line typed in raw mode: backspace and Ctrl-U work, other control characters are ignored. */
export function readLine(
  label: string,
  echo: boolean,
  keys: Pick<TerminalInput, "giveTo">,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let typed: string[] = [];
    const decoder = new TextDecoder();
    const finish = (settle: () => void) => {
      keys.giveTo(undefined);
      signal.removeEventListener("abort", onAbort);
      typed = [];
      say("\r\n");
      settle();
    };
    const onAbort = () => finish(() => reject(signal.reason));
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const rub = (count: number) => {
      for (const _ of typed.splice(typed.length - count, count)) if (echo) say("\b \b");
    };
    say(label);
    keys.giveTo((bytes) => {
      for (const char of decoder.decode(bytes, { stream: true })) {
        if (char === "\r" || char === "\n") {
          const line = typed.join("");
          finish(() => resolve(line));
          return undefined;
        }
        if (char === "\x03" || char === "\x04") {
          finish(() => reject(new GivenUp("given up")));
          return undefined;
        }
        if (char === "\x7f" || char === "\b") rub(Math.min(1, typed.length));
        else if (char === "\x15") rub(typed.length);
        else if (char >= " " && typed.length < 1024) {
          typed.push(char);
          if (echo) say(char);
        }
      }
      return undefined;
    });
  });
}
