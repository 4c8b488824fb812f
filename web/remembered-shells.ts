/** What this tab of the browser remembers of its shells over a reload; apart, so that no terminal is loaded to ask. */

export interface RememberedShell {
  readonly sessionId: string;
  readonly target: string;
}

const storageKey = "bartizan.shells";

/** Those to take up again: none unless the page was reloaded. Never throws. */
export function rememberedShells(storage: Storage): readonly RememberedShell[] {
  if (!wasReloaded()) return [];
  try {
    const kept: unknown = JSON.parse(storage.getItem(storageKey) ?? "[]");
    if (!Array.isArray(kept)) return [];
    return kept.filter((each) => typeof each?.sessionId === "string" && typeof each?.target === "string");
  } catch {
    return [];
  }
}

/** In place of what was remembered before. Never throws. */
export function rememberShells(storage: Storage, shells: readonly RememberedShell[]): void {
  try {
    storage.setItem(storageKey, JSON.stringify(shells));
  } catch {
    // Full or forbidden: after a reload the session list still has them.
  }
}

/** A copy of a browser tab has a copy of its storage too, and must not take the shells of the original over. */
function wasReloaded(): boolean {
  const [entry] = performance.getEntriesByType("navigation");
  return (entry as PerformanceNavigationTiming | undefined)?.type === "reload";
}
