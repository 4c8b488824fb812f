/** `bartizan policy`: what a config file's policies mean, without a server; so it can be asked before one starts. */
import { parseArgs } from "node:util";
import { actionWordNames, actionWords, rulesFrom } from "./access/built-in-rules.ts";
import { explain, type MatrixPart, matrixOf } from "./access/matrix.ts";
import { type Action, actions, type Caller, type RoleName, roleNames } from "./access/policy.ts";
import { type Config, readConfig } from "./config.ts";
import { rulesOf } from "./config-access.ts";
import { BartizanFault } from "./errors.ts";
import { printable } from "./flow/printable.ts";

export const policyHelp = `policy test   Tells whether USER may do ACTION on TARGET, and which rule says so. --owner: to what this one has; by
              default, to his own. --roles a,b: the roles of a user whom the config does not name. Exits with 0 when he
              may, 3 when he may not.
policy matrix Shows what the roles, and the users whom a policy names, may do on which targets.
`;

/** Exit code 3: he may not. */
const denied = 3;

/** `say` prints. Throws `config` for a file at fault, and for a user, an action or a role that there is not. */
export function policyCommand(args: readonly string[], say: (text: string) => void): number | undefined {
  const { values, positionals } = parseArgs({
    ...{ args: [...args], allowPositionals: true, strict: true },
    options: {
      ...{ config: { type: "string" }, owner: { type: "string" }, roles: { type: "string" } },
      json: { type: "boolean" },
    },
  });
  const [what = "", ...rest] = positionals;
  const config = readConfig(values.config);
  const rules = rulesFrom(rulesOf(config.policies));
  if (what === "matrix" && rest.length === 0) {
    const callers = matrixCallers(config);
    const targets = [...config.targets, ...(config.demo ? [{ name: "demo", labels: {} }] : [])];
    const parts = matrixOf(rules, callers, targets);
    if (values.json === true) say(`${JSON.stringify({ callers: callers.map(callerToJson), parts })}\n`);
    else say(parts.map((part) => partLines(part, callers)).join("\n"));
    return 0;
  }
  const [user, action, target, ...more] = rest;
  if (what !== "test" || user === undefined || action === undefined || target === undefined || more.length > 0)
    return undefined;
  const caller = callerNamed(config, user, values.roles);
  const known = config.targets.find(({ name }) => name === target);
  const resource = { owner: values.owner ?? user, target, labels: known?.labels ?? {} };
  const results = actionsNamed(action).map((each) => explain(caller, each, resource, rules));
  const allowed = results.every((each) => each.allowed);
  if (values.json === true) say(`${JSON.stringify({ ...callerToJson(caller), resource, allowed, results })}\n`);
  else {
    const whose = values.owner === undefined ? "his own" : `of ${values.owner}`;
    const note = known === undefined && target !== "demo" ? ` (the config has no target ${target}: no labels)` : "";
    for (const each of results) {
      say(
        `${each.allowed ? "yes" : "no"}: ${user} (${[...caller.roles].join(", ") || "no role"}), ${each.action}, ${printable(target)}, ${whose}: ${printable(each.why)}${printable(note)}\n`,
      );
      for (const { name, effect, not } of each.rules)
        say(`  ${effect} "${printable(name)}": ${not === undefined ? "applies" : not}\n`);
    }
  }
  return allowed ? 0 : denied;
}

function callerToJson({ name, roles }: Caller): { user: string; roles: string[] } {
  return { user: name, roles: [...roles] };
}

function callerNamed(config: Config, name: string, given: string | undefined): Caller {
  if (given !== undefined) return { name, roles: new Set(given.split(",").map(roleNamed)) };
  if (config.disabledUsers.includes(name)) return { name, roles: new Set() };
  if (name === config.user) return { name, roles: new Set(roleNames) };
  const found = config.principals.find((each) => each.name === name);
  if (found === undefined)
    throw new BartizanFault(
      "config",
      `The config names no principal ${printable(name)}.`,
      "Say his roles: --roles a,b.",
    );
  return { name, roles: new Set(found.disabled === true ? [] : found.roles) };
}

function roleNamed(text: string): RoleName {
  const role = roleNames.find((each) => each === text.trim());
  if (role === undefined)
    throw new BartizanFault("config", `There is no role ${printable(text)}.`, roleNames.join(", "));
  return role;
}

/** An action by its name, or a policy's word, which may stand for several. */
function actionsNamed(text: string): readonly Action[] {
  if (Object.hasOwn(actions, text)) return [text as Action];
  const word = actionWordNames.find((each) => each === text);
  if (word !== undefined) return actionWords[word].takes;
  const known = [...new Set([...actionWordNames, ...Object.keys(actions)])].join(", ");
  throw new BartizanFault("config", `There is no action ${printable(text)}.`, `There are ${known}.`);
}

/** Each role, and whom a policy names. */
function matrixCallers(config: Config): Caller[] {
  const named = new Set(config.policies.flatMap(({ users = [] }) => users));
  const byRole = roleNames.map((role): Caller => ({ name: `(${role})`, roles: new Set([role]) }));
  const known = config.principals.filter(({ name, disabled }) => named.has(name) && disabled !== true);
  return [...byRole, ...known.map(({ name, roles }) => ({ name, roles: new Set(roles) }))];
}

function partLines({ targets, rows }: MatrixPart, callers: readonly Caller[]): string {
  const head = targets.length === 0 ? "without a target" : `on ${printable(targets.join(", "))}`;
  const columns = callers.map(({ name }) => name.padEnd(Math.max(8, name.length)));
  const lines = rows.map(({ action, cells }) => {
    const shown = cells.map((cell, at) => cell.padEnd(columns[at]?.length ?? 0));
    return `  ${action.padEnd(16)}  ${shown.join("  ").trimEnd()}\n`;
  });
  return `${head}\n  ${"".padEnd(16)}  ${columns.join("  ").trimEnd()}\n${lines.join("")}`;
}
