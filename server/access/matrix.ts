/** The rights of several callers side by side: what each may do on each kind of target, to his own and to what others have. */
import { type Action, actions, type Caller, decide, mismatch, type Resource, type Rule } from "./policy.ts";

export interface MatrixTarget {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** "own": to what is his, or to what is nobody's; "all": also to what others have; "others": to that alone. */
export type Cell = "-" | "own" | "others" | "all";

export interface MatrixPart {
  /** Targets on which everybody here has the same rights; empty: what no target is needed for. */
  readonly targets: readonly string[];
  readonly rows: readonly { readonly action: Action; readonly cells: readonly Cell[] }[];
}

const names = Object.keys(actions) as Action[];

/** One part for what needs no target, then one for each group of targets that are treated alike. */
export function matrixOf(
  rules: readonly Rule[],
  callers: readonly Caller[],
  targets: readonly MatrixTarget[],
): MatrixPart[] {
  const part = (about: readonly Action[], target: MatrixTarget | undefined) =>
    about.map((action) => ({ action, cells: callers.map((caller) => cellOf(rules, caller, action, target)) }));
  const alone = names.filter((action) => actions[action] === "alone" || action === "tokens");
  const rest = names.filter((action) => !alone.includes(action));
  const alike = new Map<string, { targets: string[]; rows: MatrixPart["rows"] }>();
  for (const target of targets) {
    const rows = part(rest, target);
    const key = JSON.stringify(rows);
    const found = alike.get(key);
    if (found === undefined) alike.set(key, { targets: [target.name], rows });
    else found.targets.push(target.name);
  }
  return [{ targets: [], rows: part(alone, undefined) }, ...alike.values()];
}

function cellOf(rules: readonly Rule[], caller: Caller, action: Action, target: MatrixTarget | undefined): Cell {
  const on = target === undefined ? {} : { target: target.name, labels: target.labels };
  const may = (resource: Resource) => decide(caller, action, resource, rules).allowed;
  if (actions[action] !== "owned") return may(on) ? "all" : "-";
  const own = may({ ...on, owner: caller.name });
  // Nobody has this name: names have no blanks.
  const others = may({ ...on, owner: "somebody else" });
  if (own && others) return "all";
  return own ? "own" : others ? "others" : "-";
}

export interface Explained {
  readonly action: Action;
  readonly allowed: boolean;
  readonly why: string;
  /** Every rule that speaks of the action, and why it did not count; undefined: it did. */
  readonly rules: readonly {
    readonly name: string;
    readonly effect: Rule["effect"];
    readonly not: string | undefined;
  }[];
}

/** The decision with all that was looked at. */
export function explain(caller: Caller, action: Action, resource: Resource, rules: readonly Rule[]): Explained {
  const { allowed, why } = decide(caller, action, resource, rules);
  const about = rules.filter((rule) => rule.actions.has(action));
  return {
    ...{ action, allowed, why },
    rules: about.map((rule) => ({
      ...{ name: rule.name, effect: rule.effect },
      not: mismatch(rule, caller, action, resource),
    })),
  };
}
