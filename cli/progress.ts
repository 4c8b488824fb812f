/** One line on standard error for what takes more than a second, where somebody sees it. */

import { isatty } from "node:tty";
import { amountWords } from "./words.ts";

export interface Progress extends Disposable {
  tell(bytes: number): void;
}

const firstMs = 1000;
const everyMs = 200;

/** Silent where standard error is no terminal. Disposing takes the line away. */
export function createProgress(what: string): Progress {
  let nextMs = performance.now() + firstMs;
  let shown = false;
  return {
    tell(bytes) {
      const nowMs = performance.now();
      if (nowMs < nextMs || !isatty(2)) return;
      nextMs = nowMs + everyMs;
      shown = true;
      process.stderr.write(`\r\x1b[K${what} ${amountWords(bytes)} …`);
    },
    [Symbol.dispose]() {
      if (shown) process.stderr.write("\r\x1b[K");
    },
  };
}
