/** Tells at once when somebody's access may have changed, so that open streams are asked again before their turn. */

/** `name`: only this principal's calls are concerned; without it, everybody's. */
export interface AccessChange {
  readonly why: "rules" | "principals" | "signed-out" | "token-revoked" | "locks";
  readonly name?: string;
}

export interface AccessChanges {
  /** Never throws, and never waits: every listener has been called when it returns. */
  tell(change: AccessChange): void;
  onChange(listener: (change: AccessChange) => void): Disposable;
}

export function createAccessChanges(): AccessChanges {
  const listeners = new Set<(change: AccessChange) => void>();
  return {
    tell(change) {
      for (const listener of [...listeners]) listener(change);
    },
    onChange(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => listeners.delete(listener) };
    },
  };
}
