/** When this browser last opened a shell on which target; kept for this origin, at most 200 targets. */

const storageKey = "bartizan.targets";
const kept = 200;

/** Milliseconds since 1970 by target name; empty when nothing is kept or readable. */
export function readTargetHistory(): ReadonlyMap<string, number> {
  try {
    const entries: unknown = JSON.parse(localStorage.getItem(storageKey) ?? "[]");
    if (!Array.isArray(entries)) return new Map();
    return new Map(
      entries.filter(
        (each): each is [string, number] => typeof each?.[0] === "string" && typeof each?.[1] === "number",
      ),
    );
  } catch {
    return new Map();
  }
}

export function noteTargetUse(name: string, atMs: number): void {
  const history = new Map(readTargetHistory());
  history.delete(name);
  history.set(name, atMs);
  try {
    localStorage.setItem(storageKey, JSON.stringify([...history].slice(-kept)));
  } catch {
    // Full or forbidden: the order of the list is then by name.
  }
}
