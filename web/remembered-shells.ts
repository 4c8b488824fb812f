/** What this tab of the browser remembers of its shells over a reload; apart, so that no terminal is loaded to ask. */

export interface RememberedShell {
  readonly sessionId: string;
  readonly target: string;
}

const storageKey = "bartizan.shells";

/**
 * Those of this person to take up again: none unless the page was reloaded, or the same tab came back by a new link.
 * Never throws.
 */
export function rememberedShells(storage: Storage, who: string, cameByLink: boolean): readonly RememberedShell[] {
  if (!cameByLink && !wasReloaded()) return [];
  try {
    const kept: unknown = JSON.parse(storage.getItem(storageKey) ?? "{}");
    const { of, shells } = kept as { of?: unknown; shells?: unknown };
    if (of !== who || !Array.isArray(shells)) return [];
    return shells.filter((each) => typeof each?.sessionId === "string" && typeof each?.target === "string");
  } catch {
    return [];
  }
}

/** In place of what was remembered before. Never throws. */
export function rememberShells(storage: Storage, who: string, shells: readonly RememberedShell[]): void {
  try {
    storage.setItem(storageKey, JSON.stringify({ of: who, shells }));
  } catch {
    // Full or forbidden: after a reload the session list still has them.
  }
}

/** A copy of a browser tab has a copy of its storage too, and must not take the shells of the original over. */
function wasReloaded(): boolean {
  const [entry] = performance.getEntriesByType("navigation");
  return (entry as PerformanceNavigationTiming | undefined)?.type === "reload";
}
