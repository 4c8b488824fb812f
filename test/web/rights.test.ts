import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { SessionInfoSchema, SessionState } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { rulesFrom } from "../../server/access/built-in-rules.ts";
import { type Action, type Caller, decide, type RoleName, roleNames } from "../../server/access/policy.ts";
import { mayKick, mayOpen, mayReopen, mayWatch } from "../../web/parts/rights.ts";

const rules = rulesFrom([]);
const every = Array.from({ length: 2 ** roleNames.length }, (_, bits) =>
  roleNames.filter((_role, at) => (bits >> at) & 1),
);

it.each(every.map((roles) => [roles.join("+") || "nobody", roles] as const))(
  "the page offers %s exactly what the server's policy allows",
  (_name, roles) => {
    const who = { name: "ana", roles, node: "n1", serverVersion: "0" };
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
