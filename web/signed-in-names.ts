/** Who is signed in to this bastion in this browser, told from tab to tab by locks: nothing is stored, and a lock dies with its tab. */

export interface SignedInNames {
  /** As whom tabs of this browser are signed in now, this one included. Never rejects. */
  names(): Promise<readonly string[]>;
  /** As whom this tab is from now on; undefined: as nobody. */
  hold(name: string | undefined): void;
}

const prefix = "bartizan.in:";

/** `locks`: the browser's; without them (an insecure address) every tab thinks it is alone. */
export function createSignedInNames(locks: LockManager | undefined): SignedInNames {
  let held: string | undefined;
  let release = () => {};
  return {
    async names() {
      const now = await locks?.query().catch(() => undefined);
      const names = (now?.held ?? []).map(({ name = "" }) => name).filter((name) => name.startsWith(prefix));
      return [...new Set(names.map((name) => name.slice(prefix.length)))];
    },
    hold(name) {
      if (name === held) return;
      held = name;
      release();
      if (name === undefined) return;
      const until = new Promise<void>((resolve) => {
        release = resolve;
      });
      locks?.request(prefix + name, { mode: "shared" }, () => until).catch(() => {});
    },
  };
}
