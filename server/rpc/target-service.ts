/** TargetService: the inventory as callers see it; nothing secret is in it. */
import type { ServiceImpl } from "@connectrpc/connect";
import { TargetKind, type TargetService } from "../../proto/gen/bartizan/v1/target_pb.ts";
import type { Caller } from "../access/policy.ts";
import type { Target } from "../target/target.ts";
import type { EntryNeeds } from "./entry.ts";
import { callerOfCall } from "./guard.ts";
import { lockToWire } from "./lock-wire.ts";
import { mayDo } from "./may.ts";

export function createTargetService(
  targets: () => readonly Target[],
  { rights, locks }: EntryNeeds,
): ServiceImpl<typeof TargetService> {
  const rightsTo = (caller: Caller, target: string, labels: Target["labels"]) => {
    const lock = locks.barring(caller, target);
    return {
      may: mayDo(rights, caller, "target", { target, labels }),
      ...(lock === undefined ? {} : { lock: lockToWire(lock) }),
    };
  };
  return {
    listTargets: (_request, context) => ({
      targets: targets()
        .filter(({ name, labels }) => rights.may(callerOfCall(context), "see-target", { target: name, labels }))
        .toSorted((one, other) => (one.name < other.name ? -1 : 1))
        .map(({ name, kind, host, port, user, labels, source }) => ({
          ...{ name, user, source, ...rightsTo(callerOfCall(context), name, labels) },
          kind: kind === "demo" ? TargetKind.DEMO : TargetKind.SSH,
          address: host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`,
          labels: { ...labels },
        })),
    }),
  };
}
