import { readFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { SessionInfoSchema, SessionState } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { rulesFrom } from "../../server/access/built-in-rules.ts";
import { createAccessChanges } from "../../server/access/changes.ts";
import { type Action, actions, type Caller, decide, type RoleName, roleNames } from "../../server/access/policy.ts";
import { createRights } from "../../server/access/rights.ts";
import { signInPlaces } from "../../server/access/sign-in-flow.ts";
import { mayDo, mayDoEver } from "../../server/rpc/may.ts";
import {
  knowsWatchers,
  mayFreeze,
  mayKick,
  mayLock,
  mayManageTokens,
  mayOpen,
  mayReopen,
  mayWatch,
  seesAll,
} from "../../web/parts/rights.ts";
import { tokenScopeNames, tokenScopes } from "../../web/token-scopes.ts";

const rules = rulesFrom([]);
const every = Array.from({ length: 2 ** roleNames.length }, (_, bits) =>
  roleNames.filter((_role, at) => (bits >> at) & 1),
);

it.each(every.map((roles) => [roles.join("+") || "nobody", roles] as const))(
  "the page offers %s exactly what the server's policy allows",
  (_name, roles) => {
    const caller: Caller = { name: "ana", roles: new Set<RoleName>(roles) };
    const rights = createRights(rules, createAccessChanges());
    const may = mayDoEver(rights, caller);
    const who = { name: "ana", roles, may, node: "n1", serverVersion: "0", way: "link" };
    expect(mayOpen(who)).toBe(decide(caller, "open", undefined, rules).allowed);
    expect(mayLock(who)).toBe(roles.includes("admin"));
    expect(mayManageTokens(who)).toBe(roles.includes("admin"));
    expect(seesAll(who)).toBe(roles.includes("auditor") || roles.includes("admin"));
    expect(knowsWatchers(who)).toBe(roles.includes("auditor") || roles.includes("admin"));
    for (const operator of ["ana", "bob"]) {
      const resource = { owner: operator, target: "web1", labels: {} };
      const allowed = (action: Action) => decide(caller, action, resource, rules).allowed;
      const told = mayDo(rights, caller, "session", resource);
      const shown = (state: SessionState) =>
        create(SessionInfoSchema, { state, operator: { name: operator }, may: told });
      const live = shown(SessionState.ATTACHED);
      expect(mayWatch(live)).toBe(allowed("watch"));
      expect(mayKick(live)).toBe(allowed("kick"));
      expect(mayFreeze(live)).toBe(allowed("freeze"));
      expect(mayReopen(shown(SessionState.DETACHED))).toBe(allowed("reattach"));
      expect(mayReopen(live)).toBe(false);
      const ended = shown(SessionState.ENDED);
      expect([mayWatch, mayKick, mayReopen, mayFreeze].map((ask) => ask(ended))).toEqual([false, false, false, false]);
    }
  },
);

it("what the page offers tokens to be for are actions that there are", () => {
  const offered = tokenScopeNames.flatMap((name): readonly string[] => tokenScopes[name]);
  expect(offered.filter((name) => !Object.hasOwn(actions, name))).toEqual([]);
  expect(offered.length).toBeGreaterThan(10);
});

it("wherever a sign-in leads, there is a page", () => {
  const names = [...readFileSync("web/app.tsx", "utf8").matchAll(/^ +"\/(\w*)": words/gm)];
  const pages = names.map(([, path]) => path || "targets");
  expect(signInPlaces.filter((place) => !pages.includes(place))).toEqual([]);
});
