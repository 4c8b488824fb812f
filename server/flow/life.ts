/** Lifetimes: signals that end together and waits that end with them. */

/** A signal with an end of its own. Disposing gives back every listener and does not abort. */
export interface Life extends Disposable {
  readonly signal: AbortSignal;
  /** Ends this life alone. The first reason stays. */
  end(reason: unknown): void;
}

/** Ends when any of `signals` does, with that one's reason, or by `end`. */
export function linked(...signals: readonly (AbortSignal | undefined)[]): Life {
  const controller = new AbortController();
  const undo: (() => void)[] = [];
  const giveBack = () => {
    for (const each of undo.splice(0)) each();
  };
  const end = (reason: unknown) => {
    giveBack();
    controller.abort(reason);
  };
  for (const signal of signals) {
    if (signal === undefined) continue;
    if (signal.aborted) {
      end(signal.reason);
      break;
    }
    const follow = () => end(signal.reason);
    signal.addEventListener("abort", follow, { once: true });
    undo.push(() => signal.removeEventListener("abort", follow));
  }
  return { signal: controller.signal, end, [Symbol.dispose]: giveBack };
}

/**
 * Settles as `promise` does, or rejects with the signal's reason, whichever comes first. The promise goes on unheard;
 * a late rejection of it is swallowed.
 */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) {
      promise.catch(() => {});
      reject(signal.reason);
      return;
    }
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const done = () => signal.removeEventListener("abort", onAbort);
    promise.then(
      (value) => {
        done();
        resolve(value);
      },
      (error) => {
        done();
        reject(error);
      },
    );
  });
}

/** Resolves when the signal aborts; never rejects. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
