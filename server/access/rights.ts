/** The rules in force, asked by everybody who has to know; replaced whole when the config is read again. */
import type { AccessChanges } from "./changes.ts";
import { type Action, type Caller, type Decision, decide, mayReachOthers, type Resource, type Rule } from "./policy.ts";

export interface Rights {
  readonly rules: readonly Rule[];
  decide(caller: Caller, action: Action, resource?: Resource): Decision;
  /** May he do it to this? */
  may(caller: Caller, action: Action, resource: Resource): boolean;
  /** Can there be anything to which he may? */
  mayEver(caller: Caller, action: Action): boolean;
  /** Can there be anything that is not his to which he may? Narrows look-ups, decides nothing. */
  mayReachOthers(caller: Caller, action: Action): boolean;
  /** From the next question on; open streams are asked again at once. */
  replace(rules: readonly Rule[]): void;
}

/** What the policy looks at of a session, or of its recording. */
export function resourceOf(of: {
  readonly operator: { readonly name: string };
  readonly target: string;
  readonly labels: Readonly<Record<string, string>>;
}): Resource {
  return { owner: of.operator.name, target: of.target, labels: of.labels };
}

export function createRights(first: readonly Rule[], changes: AccessChanges): Rights {
  let rules = first;
  return {
    get rules() {
      return rules;
    },
    decide: (caller, action, resource) => decide(caller, action, resource, rules),
    may: (caller, action, resource) => decide(caller, action, resource, rules).allowed,
    mayEver: (caller, action) => decide(caller, action, undefined, rules).allowed,
    mayReachOthers: (caller, action) => mayReachOthers(caller, action, rules),
    replace(next) {
      rules = next;
      changes.tell({ why: "rules" });
    },
  };
}
