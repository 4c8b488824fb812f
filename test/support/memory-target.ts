/** A target in memory: the test is the program behind the pty. For promises of the session, not of SSH. */
import type { EndCause, TermSize } from "../../server/events.ts";
import type { Dial, PtyChannel, Target } from "../../server/target/target.ts";

export interface MemoryPty {
  readonly size: () => TermSize;
  /** Everything typed so far. */
  readonly typed: () => Buffer;
  /** Resolves when the session has taken the chunk: then it may wait for its operator. */
  readonly print: (bytes: string | Uint8Array) => Promise<void>;
  readonly exit: (cause: EndCause) => void;
  readonly hungUp: () => boolean;
}

export interface MemoryTarget {
  readonly target: Target;
  readonly dial: Dial;
  /** The pty of the newest dial. */
  readonly pty: () => MemoryPty;
}

/** `echo`: what is typed is printed. */
export function createMemoryTarget(options: { echo?: boolean; name?: string } = {}): MemoryTarget {
  const target: Target = {
    ...{ name: options.name ?? "memory", kind: "demo", host: "127.0.0.1", port: 1, user: "nobody", source: "demo" },
    ...{ credentials: {}, hostKeys: [], knownHostsFiles: [], labels: {} },
  };
  let newest: MemoryPty | undefined;
  const dial: Dial = async (_target, size, _ask, signal) => {
    signal.throwIfAborted();
    const made = createPty(size, options.echo ?? false);
    newest = made.pty;
    return made.channel;
  };
  return {
    ...{ target, dial },
    pty: () => {
      if (newest === undefined) throw new Error("nothing was dialled yet");
      return newest;
    },
  };
}

function createPty(size: TermSize, echo: boolean): { channel: PtyChannel; pty: MemoryPty } {
  const waiting: { bytes: Uint8Array; taken: () => void }[] = [];
  const done = Promise.withResolvers<EndCause>();
  let ended = false;
  let hungUp = false;
  let typed = Buffer.alloc(0);
  let wake = () => {};
  const print = (bytes: string | Uint8Array) =>
    new Promise<void>((taken) => {
      waiting.push({ bytes: typeof bytes === "string" ? Buffer.from(bytes) : bytes, taken });
      wake();
    });
  const exit = (cause: EndCause) => {
    ended = true;
    done.resolve(cause);
    wake();
  };
  const channel: PtyChannel = {
    done: done.promise,
    output: (async function* () {
      for (;;) {
        const next = waiting.shift();
        if (next !== undefined) {
          yield next.bytes;
          next.taken();
        } else if (ended) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    })(),
    write: async (input) => {
      typed = Buffer.concat([typed, input]);
      if (echo) void print(Uint8Array.from(input));
    },
    recall: () => 0,
    resize: (next) => {
      size = next;
    },
    [Symbol.asyncDispose]: async () => {
      hungUp = true;
      waiting.length = 0;
      exit({ kind: "closed", why: "operator" });
    },
  };
  return { channel, pty: { size: () => size, typed: () => typed, print, exit, hungUp: () => hungUp } };
}
