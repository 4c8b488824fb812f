/** The targets there are, by name. Reads nothing: it is made of what the configuration, ssh_config and the demo gave. */
import type { Target } from "./target.ts";

export interface Inventory {
  find(name: string): Target | undefined;
  /** By name. */
  list(): readonly Target[];
}

const sources: readonly Target["source"][] = ["config", "ssh-config", "demo"];

/** Of targets with the same name the configuration's counts, then ssh_config's, then the demo; within a source the first. */
export function createInventory(targets: readonly Target[]): Inventory {
  const byName = new Map<string, Target>();
  for (const source of sources) {
    for (const target of targets) {
      if (target.source === source && !byName.has(target.name)) byName.set(target.name, target);
    }
  }
  const sorted = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return { find: (name) => byName.get(name), list: () => sorted };
}
