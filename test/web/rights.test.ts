import { readFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { SessionInfoSchema, SessionState } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { rulesFrom } from "../../server/access/built-in-rules.ts";
import { type Action, actions, type Caller, decide, type RoleName, roleNames } from "../../server/access/policy.ts";
import { signInPlaces } from "../../server/access/sign-in-flow.ts";
import { mayKick, mayOpen, mayReopen, mayWatch } from "../../web/parts/rights.ts";
import { tokenScopeNames, tokenScopes } from "../../web/token-scopes.ts";

const rules = rulesFrom([]);
const every = Array.from({ length: 2 ** roleNames.length }, (_, bits) =>
  roleNames.filter((_role, at) => (bits >> at) & 1),
);

it.each(every.map((roles) => [roles.join("+") || "nobody", roles] as const))(
  "the page offers %s exactly what the server's policy allows",
  (_name, roles) => {
    const who = { name: "ana", roles, node: "n1", serverVersion: "0", way: "link" };
    const caller: Caller = { name: "ana", roles: new Set<RoleName>(roles) };
    expect(mayOpen(who)).toBe(decide(caller, "open", undefined, rules).allowed);
    for (const operator of ["ana", "bob"]) {
      const resource = { owner: operator, target: "web1", labels: {} };
      const allowed = (action: Action) => decide(caller, action, resource, rules).allowed;
      const shown = (state: SessionState) => create(SessionInfoSchema, { state, operator: { name: operator } });
      const live = shown(SessionState.ATTACHED);
      // Only who is somebody sees a session at all.
      if (roles.length > 0) expect(mayWatch(who, live)).toBe(allowed("watch"));
      expect(mayKick(who, live)).toBe(allowed("kick"));
      expect(mayReopen(who, shown(SessionState.DETACHED))).toBe(allowed("reattach"));
      expect(mayReopen(who, live)).toBe(false);
      const ended = shown(SessionState.ENDED);
      expect([mayWatch(who, ended), mayKick(who, ended), mayReopen(who, ended)]).toEqual([false, false, false]);
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
