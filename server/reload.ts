/** Takes a config that was read again: what may change while the server runs changes at once, the rest is named. */
import { rulesFrom } from "./access/built-in-rules.ts";
import type { AccessChanges } from "./access/changes.ts";
import type { Principals } from "./access/principals.ts";
import { type Rights, resourceOf } from "./access/rights.ts";
import { configDigest } from "./audit/server-notes.ts";
import type { Audit } from "./audit.ts";
import type { Config } from "./config.ts";
import { rulesOf } from "./config-access.ts";
import type { SessionInfo } from "./events.ts";
import type { Log } from "./log.ts";
import { principalList } from "./principal-list.ts";
import type { Registry } from "./session/registry.ts";

export interface Reloaded {
  /** Keys of the file that changed and hold from now on. */
  readonly changed: readonly string[];
  /** Keys that changed and wait for the next start. */
  readonly later: readonly string[];
}

export interface ReloadNeeds {
  readonly rights: Rights;
  readonly principals: Principals;
  readonly audit: Audit;
  readonly log: Log;
  readonly token: string;
}

const atOnce = ["policies", "principals", "disabledUsers", "watching", "limits"] as const satisfies (keyof Config)[];
export type LiveConfig = Readonly<Config>;

/** Holds the live part of the config. */
export class Reloading {
  readonly #needs: ReloadNeeds;
  #config: Config;

  constructor(config: Config, needs: ReloadNeeds) {
    this.#config = config;
    this.#needs = needs;
  }

  /** What holds now. */
  get now(): LiveConfig {
    return this.#config;
  }

  /** All of it holds when it returns, open streams were asked again, and the shells of who is not to have any were ended. */
  take(next: Config): Reloaded {
    const { rights, principals, audit, log, token } = this.#needs;
    const differ = (Object.keys(next) as (keyof Config)[]).filter(
      (key) => JSON.stringify(next[key]) !== JSON.stringify(this.#config[key]),
    );
    const changed = differ.filter((key) => (atOnce as readonly string[]).includes(key));
    const later = differ.filter((key) => !changed.includes(key));
    const cause = changed.join(", ") || undefined;
    audit.write({ event: "config-loaded", config: configDigest(next), cause });
    if (changed.includes("policies")) audit.write({ event: "policy-loaded", config: configDigest(next.policies) });
    for (const whose of rightsChanged(this.#config, next)) audit.write({ event: "rights-changed", whose });
    const live = Object.fromEntries(changed.map((key) => [key, next[key]]));
    this.#config = { ...this.#config, ...live };
    if (changed.includes("policies")) rights.replace(rulesFrom(rulesOf(next.policies)));
    if (changed.includes("principals") || changed.includes("disabledUsers"))
      principals.replace(principalList(this.#config, token));
    log.info({ changed, later }, "config read again");
    return { changed, later };
  }
}

/**
 * Ends the shells of whoever may not have them any more, whenever rules or principals change, until disposed: of who is
 * disabled, or unknown by now, and of who may not open a shell there or take it up again.
 */
export function endShellsWithoutRight(needs: {
  readonly changes: AccessChanges;
  readonly rights: Rights;
  readonly principals: Principals;
  readonly registry: Registry;
}): Disposable {
  const { changes, rights, principals, registry } = needs;
  const mayHave = (info: SessionInfo) => {
    const { name } = info.operator;
    const roles = principals.rolesOf(name);
    if (roles === undefined) return false;
    const shell = resourceOf(info);
    return (["open", "reattach"] as const).every((action) => rights.may({ name, roles }, action, shell));
  };
  return changes.onChange(({ why, name }) => {
    if (why !== "principals" && why !== "rules") return;
    const concerned = ({ operator }: SessionInfo) => name === undefined || operator.name === name;
    registry.closeAll("access-ended", undefined, (info) => concerned(info) && !mayHave(info));
  });
}

/** The names of those whose roles differ, or who were disabled, taken out or put in. */
function rightsChanged(before: Config, next: Config): string[] {
  const rolesIn = ({ principals, disabledUsers }: Config) =>
    new Map([
      ...principals.map((each) => [each.name, each.disabled === true ? "" : [...each.roles].sort().join()] as const),
      ...disabledUsers.map((name) => [name, ""] as const),
    ]);
  const [one, other] = [rolesIn(before), rolesIn(next)];
  return [...new Set([...one.keys(), ...other.keys()])].filter((name) => one.get(name) !== other.get(name));
}
