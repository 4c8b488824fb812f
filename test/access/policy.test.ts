import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { builtInRules, rulesFrom } from "../../server/access/built-in-rules.ts";
import {
  type Action,
  actions,
  anyone,
  type Caller,
  decide,
  policyTable,
  type Resource,
  type RoleName,
  roleNames,
} from "../../server/access/policy.ts";
import { parseConfig } from "../../server/config.ts";
import { rulesOf } from "../../server/config-access.ts";
import { root } from "../house/sources.ts";

/** Every service of the contract, found in the generated code: a new file cannot be forgotten. */
async function services(): Promise<DescService[]> {
  const folder = join(root, "proto", "gen", "bartizan", "v1");
  const modules = await Promise.all(readdirSync(folder).map((name) => import(join(folder, name))));
  return modules.flatMap((module) =>
    Object.values(module as Record<string, { kind?: string }>).filter((each) => each?.kind === "service"),
  ) as DescService[];
}

/** What each method needs, by role: o operator, a auditor, d admin; on his own, then on what others have. "*": no token. */
const table: Readonly<Record<string, readonly [own: string, others: string] | "*">> = {
  "AccessService/WhoAmI": ["oad", "oad"],
  "AccessService/CreateLink": ["oad", "oad"],
  "AccessService/RedeemCode": "*",
  "AccessService/CreateToken": ["oad", "d"],
  "AccessService/ListTokens": ["oad", "d"],
  "AccessService/RevokeToken": ["oad", "d"],
  "AccessService/GetSignInWays": "*",
  "AccessService/BeginLogin": "*",
  "AccessService/PollLogin": "*",
  "AccessService/GetLogin": ["oad", "d"],
  "AccessService/AnswerLogin": ["oad", "d"],
  "AccessService/Logout": ["oad", "oad"],
  "TargetService/ListTargets": ["oad", "oad"],
  "SessionService/Shell": ["o", "o"],
  "SessionService/Watch": ["oad", "ad"],
  "SessionService/Kick": ["od", "d"],
  "SessionService/Freeze": ["d", "d"],
  "SessionService/Unfreeze": ["d", "d"],
  "SessionService/ListSessions": ["oad", "oad"],
  "SessionService/WatchSessions": ["oad", "oad"],
  "RecordingService/ListRecordings": ["oad", "ad"],
  "RecordingService/GetRecording": ["oad", "ad"],
  "RecordingService/Replay": ["oad", "ad"],
  "RecordingService/VerifyRecordings": ["oad", "ad"],
  "RecordingService/ExportRecording": ["oad", "ad"],
  "RecordingService/DeleteRecording": ["d", "d"],
  "RecordingService/GetRecordingKey": ["oad", "oad"],
  "CommandService/SearchCommands": ["oad", "ad"],
  "AuditService/SearchAudit": ["ad", "ad"],
  "AuditService/FollowAudit": ["ad", "ad"],
  "LockService/SetLock": ["d", "d"],
  "LockService/LiftLock": ["d", "d"],
  "LockService/ListLocks": ["oad", "oad"],
};

const every = Array.from({ length: 2 ** roleNames.length }, (_, bits) =>
  roleNames.filter((_role, at) => (bits >> at) & 1),
);
const letters: Readonly<Record<RoleName, string>> = { operator: "o", auditor: "a", admin: "d" };
const as = (roles: readonly RoleName[], name = "ana"): Caller => ({ name, roles: new Set(roles) });
const on = (
  owner: string | undefined,
  target = "web1",
  labels: Record<string, string> = { team: "shop" },
): Resource => ({
  ...{ owner, target, labels },
});

function rulesIn(yaml: string) {
  const parsed = parseConfig(yaml);
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return rulesFrom(rulesOf(parsed.file.policies));
}

describe("the built-in rules", () => {
  it("have a row for every method of the contract, and no row without a method", async () => {
    const methods = (await services()).flatMap(({ typeName, methods: each }) =>
      each.map(({ name }) => `${typeName}/${name}`),
    );
    expect(Object.keys(policyTable).filter((row) => !methods.includes(row))).toEqual([]);
    expect(methods.filter((method) => policyTable[method] === undefined)).toEqual([]);
    // The table above says what each row means; a new method needs its line there.
    expect(methods.map((method) => method.replace("bartizan.v1.", "")).filter((name) => !(name in table))).toEqual([]);
  });

  it.each(Object.entries(table))("let %s be called by whom they should, with every set of roles", (method, cells) => {
    const action = policyTable[`bartizan.v1.${method}`];
    if (cells === "*") {
      expect(action).toBe(anyone);
      return;
    }
    for (const roles of every) {
      for (const [whose, owner] of [
        [cells[0], "ana"],
        [cells[1], "bob"],
      ] as const) {
        const wanted = roles.some((role) => whose.includes(letters[role]));
        const { allowed } = decide(as(roles), action as Action, on(owner), rulesFrom([]));
        expect([method, roles, owner, allowed]).toEqual([method, roles, owner, wanted]);
      }
      const ever = decide(as(roles), action as Action, undefined, rulesFrom([])).allowed;
      expect(ever).toBe(roles.some((role) => cells.join("").includes(letters[role])));
    }
  });

  it("say what the policies of docs/config.md say that are to mean the same", () => {
    const page = readFileSync(join(root, "docs", "config.md"), "utf8");
    const [, example = ""] = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = ""]) => text);
    expect(example).toMatch(/^policies:/);
    const written = rulesIn(example);
    for (const roles of every)
      for (const action of Object.keys(actions) as Action[])
        for (const owner of ["ana", "bob"]) {
          const builtIn = decide(as(roles), action, on(owner), rulesFrom([])).allowed;
          expect([action, roles, owner, decide(as(roles), action, on(owner), written).allowed]).toEqual([
            ...[action, roles, owner, builtIn],
          ]);
        }
  });
});

describe("a decision", () => {
  const deny = rulesIn(`policies:
  - { name: all, allow: [all] }
  - { name: no prod, deny: [open, watch], roles: [operator], labels: { env: prod } }
  - { name: not eve, deny: [all], users: [eve] }
`);

  it("is no where no rule says anything, and for who has no role", () => {
    expect(decide(as(["admin"]), "kick", on("bob"), [])).toMatchObject({ allowed: false, rule: "" });
    expect(decide(as([]), "identify", undefined, rulesFrom([])).allowed).toBe(false);
  });

  it("is no as soon as one rule denies, whatever allows and in whatever order", () => {
    const prod = on(undefined, "web1", { env: "prod" });
    for (const rules of [deny, deny.toReversed()]) {
      expect(decide(as(["operator", "admin"]), "open", prod, rules)).toMatchObject({ allowed: false, rule: "no prod" });
      expect(decide(as(["admin"]), "open", prod, rules).allowed).toBe(true);
      expect(decide(as(["operator"]), "open", on(undefined, "web1", { env: "dev" }), rules).allowed).toBe(true);
      expect(decide(as(["admin"], "eve"), "watch", on("eve"), rules)).toMatchObject({ rule: "not eve" });
    }
  });

  it("takes what is not known as a reason against, never for", () => {
    const rules = rulesIn(`policies:
  - { name: own shop, allow: [watch], whose: own, labels: { team: shop } }
  - { name: any replay, allow: [replay] }
  - { name: no prod, deny: [replay], labels: { env: prod } }
`);
    expect(decide(as(["auditor"]), "watch", { owner: "ana", target: "web1", labels: undefined }, rules).allowed).toBe(
      false,
    );
    expect(decide(as(["auditor"]), "watch", { target: "web1", labels: { team: "shop" } }, rules).allowed).toBe(false);
    expect(decide(as(["auditor"]), "replay", { owner: "bob", target: "web1", labels: undefined }, rules)).toMatchObject(
      {
        ...{ allowed: false, rule: "no prod" },
      },
    );
  });

  it("never lets anybody type in a session of somebody else, whatever is written", () => {
    const rules = rulesIn("policies:\n  - { name: all, allow: [all] }\n");
    for (const roles of every.slice(1)) {
      expect(decide(as(roles), "reattach", on("bob"), rules).allowed).toBe(false);
      expect(decide(as(roles), "reattach", on("ana"), rules).allowed).toBe(true);
      expect(decide(as(roles), "reattach", on(undefined), rules).allowed).toBe(false);
    }
  });

  it.each([
    ["web1", "web1", true],
    ["web1", "web10", false],
    ["web*", "web1", true],
    ["web*", "aweb1", false],
    ["*", "", true],
    ["*-db-*", "eu-db-1", true],
    ["*-db-*", "eu-db1", false],
    ["a*a", "a", false],
    ["a*a", "aa", true],
    ["**a", "bba", true],
    ["x*y*z", "x1y2y3z", true],
  ])("reads the pattern %s on %s", (pattern, name, fits) => {
    const rules = rulesIn(`policies:\n  - { name: p, allow: [open], targets: ["${pattern}"] }\n`);
    expect(decide(as(["operator"]), "open", on(undefined, name), rules).allowed).toBe(fits);
  });

  it("is as quick with a pattern made to be slow", () => {
    const rules = rulesIn(`policies:\n  - { name: p, allow: [open], targets: ["${"a*".repeat(90)}b"] }\n`);
    const startedMs = performance.now();
    for (let times = 0; times < 100; times += 1)
      expect(decide(as(["operator"]), "open", on(undefined, "a".repeat(200)), rules).allowed).toBe(false);
    expect(performance.now() - startedMs).toBeLessThan(500);
  });

  it("holds labels together, and of several values any", () => {
    const rules = rulesIn(`policies:
  - { name: p, allow: [open], labels: { env: [dev, test], team: "*" } }
`);
    const may = (labels: Record<string, string>) =>
      decide(as(["operator"]), "open", on(undefined, "web1", labels), rules).allowed;
    expect(may({ env: "dev", team: "x" })).toBe(true);
    expect(may({ env: "test", team: "" })).toBe(true);
    expect(may({ env: "prod", team: "x" })).toBe(false);
    expect(may({ env: "dev" })).toBe(false);
    expect(may({ team: "x", constructor: "dev" })).toBe(false);
  });

  it("keeps a token within its scope, whatever its owner may", () => {
    const narrow: Caller = {
      ...as(["operator", "admin"]),
      scope: { actions: new Set(["watch", "list-sessions"]), labels: { team: "shop" } },
    };
    const may = (action: Action, resource?: Resource) => decide(narrow, action, resource, rulesFrom([])).allowed;
    expect([may("watch", on("bob")), may("identify"), may("list-sessions")]).toEqual([true, true, true]);
    expect([may("kick", on("bob")), may("link"), may("watch", on("bob", "db1", {}))]).toEqual([false, false, false]);
  });

  it("gives the audit log, which is about everything, to nobody who is to see a part", () => {
    const admin = as(["admin", "auditor"]);
    const parts = [{ targets: ["web1"] }, { labels: { team: "shop" } }];
    for (const scope of parts) {
      for (const resource of [undefined, {}, on(undefined)])
        expect(decide({ ...admin, scope }, "audit", resource, rulesFrom([])).allowed).toBe(false);
    }
    const audit: Caller = { ...admin, scope: { actions: new Set(["audit"]) } };
    expect(decide(audit, "audit", undefined, rulesFrom([])).allowed).toBe(true);
    for (const part of ["targets: [web1]", "labels: { team: shop }", "whose: own"]) {
      const rules = rulesIn(`policies:\n  - { name: some, allow: [all], ${part} }\n`);
      for (const resource of [undefined, {}, on("ana")])
        expect([part, decide(admin, "audit", resource, rules).allowed]).toEqual([part, false]);
      expect(decide(admin, "open", on("ana"), rules).allowed).toBe(true);
      // Denied in part is denied: nothing of it can be left out.
      const denied = rulesIn(`policies:\n  - { name: all, allow: [all] }\n  - { name: x, deny: [audit], ${part} }\n`);
      expect(decide(admin, "audit", undefined, denied).allowed).toBe(false);
    }
  });

  it("can be asked whether there is anything at all to which it is yes", () => {
    const rules = rulesIn(`policies:
  - { name: shop, allow: [open], roles: [operator], labels: { team: shop } }
  - { name: some, deny: [open], labels: { env: prod } }
  - { name: ann, deny: [open], users: [ann] }
`);
    expect(decide(as(["operator"]), "open", undefined, rules).allowed).toBe(true);
    expect(decide(as(["operator"], "ann"), "open", undefined, rules).allowed).toBe(false);
    expect(decide(as(["auditor"]), "open", undefined, rules).allowed).toBe(false);
  });

  it("takes a small part of a millisecond, so that no stream notices that it is asked", () => {
    const rules = [...builtInRules, ...deny, ...builtInRules];
    const startedMs = performance.now();
    for (let times = 0; times < 10_000; times += 1) decide(as(["auditor"]), "watch", on("bob"), rules);
    expect((performance.now() - startedMs) / 10_000).toBeLessThan(0.2);
  });
});

describe("a config", () => {
  const problemsOf = (yaml: string) => {
    const parsed = parseConfig(yaml);
    return "problems" in parsed ? parsed.problems : [];
  };

  it.each([
    ["neither allow nor deny", "policies:\n  - name: x\n"],
    ["both", "policies:\n  - { name: x, allow: [open], deny: [kick] }\n"],
    ["an unknown word", "policies:\n  - { name: x, allow: [opne] }\n"],
    ["an unknown key", "policies:\n  - { name: x, allow: [open], lables: {} }\n"],
    ["the audit log for some targets", "policies:\n  - { name: x, allow: [watch, audit], targets: [web1] }\n"],
    ["the audit log for some labels", "policies:\n  - { name: x, allow: [audit], labels: { a: b } }\n"],
    ["the audit log for what is one's own", "policies:\n  - { name: x, allow: [audit], whose: own }\n"],
    ["a name twice", "policies:\n  - { name: x, allow: [open] }\n  - { name: x, deny: [open] }\n"],
    ["an unknown role", "policies:\n  - { name: x, allow: [open], roles: [root] }\n"],
  ])("with %s in a policy is refused, with its line", (_what, yaml) => {
    const problems = problemsOf(yaml);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems[0]?.line).toBeGreaterThan(1);
  });
});
