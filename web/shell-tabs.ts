/** The shells of the page in their order, and which one is in front; remembered over a reload of the page. */

import type { SessionClient } from "../proto/client/index.ts";
import type { ShellWish } from "./parts/page-context.tsx";
import { rememberedShells, rememberShells } from "./remembered-shells.ts";
import type { TabPhase } from "./shell-state.ts";
import { createShellTab, type ShellTab } from "./shell-tab.ts";
import type { Shortcut } from "./terminal-input.ts";
import type { SettingsStore } from "./terminal-settings.ts";
import type { ColourScheme } from "./terminal-theme.ts";

export interface TabsState {
  readonly tabs: readonly ShellTab[];
  readonly front: ShellTab | undefined;
}

export interface ShellTabs extends Disposable {
  readonly state: TabsState;
  subscribe(listener: () => void): () => void;
  /** One more tab, in front. A session that has a tab already is only brought to the front. */
  open(open: ShellWish["open"]): void;
  /** As `open`, once for each wish, however often it is told. */
  grant(wish: ShellWish): void;
  select(key: string): void;
  step(by: 1 | -1): void;
  /** Takes the tab away. "end": the shell on the target is ended too; "keep": it runs on for its grace time. */
  close(key: string, shell: "end" | "keep"): void;
  colour(scheme: ColourScheme): void;
  /** The person has signed in again: what failed for want of that is tried again. */
  signedIn(): void;
  /** Some shell runs that closing the page would leave alone. */
  running(): boolean;
}

export interface ShellTabsNeeds {
  readonly client: SessionClient;
  readonly settings: SettingsStore;
  readonly scheme: ColourScheme;
  /** Of this tab of the browser; told apart from one that is a copy of another by how the page was loaded. */
  readonly storage: Storage;
  /** Whose shells these are, and whether a link brought him here. */
  readonly who: string;
  readonly cameByLink: boolean;
  label(target: string): string;
  onShortcut(shortcut: Shortcut): void;
  onModifiersUsed(): void;
  onBell(): void;
}

/** How long a closed tab waits for the server's word that its shell has ended. */
const endWaitMs = 60_000;

/** The server has said that there is nothing to come back to. */
function isOver(phase: TabPhase): boolean {
  return phase.kind === "ended" || (phase.kind === "failed" && phase.fault.word === "not-found");
}

/** Opens what was open before a reload. Disposing detaches from all shells; they run on for their grace time. */
export function createShellTabs(needs: ShellTabsNeeds): ShellTabs {
  const listeners = new Set<() => void>();
  const closing = new Set<ShellTab>();
  let scheme = needs.scheme;
  let state: TabsState = { tabs: [], front: undefined };
  let serial = 0;
  let granted = 0;
  let disposed = false;

  function update(tabs: readonly ShellTab[], front: ShellTab | undefined): void {
    if (front !== state.front) {
      state.front?.front(false);
      front?.front(true);
    }
    state = { tabs, front };
    remember();
    for (const listener of [...listeners]) listener();
  }

  function remember(): void {
    if (disposed) return;
    const kept = state.tabs.flatMap(({ sessionId, state: { phase, target } }) =>
      sessionId !== undefined && !isOver(phase) ? [{ sessionId, target }] : [],
    );
    rememberShells(needs.storage, needs.who, kept);
  }

  function add(open: ShellWish["open"]): ShellTab {
    serial += 1;
    return createShellTab({
      ...{ key: `shell-${serial}`, client: needs.client, open, settings: needs.settings, scheme },
      label: needs.label(open.target),
      onLife: remember,
      onShortcut: needs.onShortcut,
      onModifiersUsed: needs.onModifiersUsed,
      onBell: needs.onBell,
    });
  }

  function open(wanted: ShellWish["open"]) {
    const same = "sessionId" in wanted && state.tabs.find((tab) => tab.running && tab.sessionId === wanted.sessionId);
    if (same) return update(state.tabs, same);
    const tab = add(wanted);
    update([...state.tabs, tab], tab);
  }

  const before = rememberedShells(needs.storage, needs.who, needs.cameByLink).map(add);
  if (before.length > 0) update(before, before[0]);

  return {
    get state() {
      return state;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    open,
    grant(wish) {
      if (wish.id <= granted) return;
      granted = wish.id;
      open(wish.open);
    },
    select(key) {
      const tab = state.tabs.find((each) => each.key === key);
      if (tab !== undefined) update(state.tabs, tab);
    },
    step(by) {
      const { tabs, front } = state;
      const at = front === undefined ? -1 : tabs.indexOf(front);
      if (at >= 0) update(tabs, tabs[(at + by + tabs.length) % tabs.length]);
    },
    close(key, shell) {
      const at = state.tabs.findIndex((each) => each.key === key);
      const tab = state.tabs[at];
      if (tab === undefined) return;
      const tabs = state.tabs.filter((each) => each !== tab);
      update(tabs, tab === state.front ? (tabs[at] ?? tabs[at - 1]) : state.front);
      if (shell === "keep" || !tab.running || tab.state.session === undefined) return tab[Symbol.dispose]();
      closing.add(tab);
      const done = () => {
        clearTimeout(timer);
        unsubscribe();
        closing.delete(tab);
        tab[Symbol.dispose]();
      };
      const timer = setTimeout(done, endWaitMs);
      const unsubscribe = tab.subscribe(() => {
        if (!tab.running) done();
      });
      tab.hangUp();
    },
    colour(to) {
      scheme = to;
      for (const tab of state.tabs) tab.colour(to);
    },
    signedIn() {
      for (const tab of state.tabs) {
        const { phase } = tab.state;
        if (phase.kind === "failed" && phase.fault.word === "unauthenticated") tab.retry();
      }
    },
    running: () => state.tabs.some(({ running }) => running),
    [Symbol.dispose]() {
      disposed = true;
      for (const tab of [...state.tabs, ...closing]) tab[Symbol.dispose]();
      listeners.clear();
    },
  };
}
