/** TargetService: the inventory as callers see it; nothing secret is in it. */
import type { ServiceImpl } from "@connectrpc/connect";
import { TargetKind, type TargetService } from "../../proto/gen/bartizan/v1/target_pb.ts";
import type { Rights } from "../access/rights.ts";
import type { Target } from "../target/target.ts";
import { callerOfCall } from "./guard.ts";

export function createTargetService(
  targets: () => readonly Target[],
  rights: Rights,
): ServiceImpl<typeof TargetService> {
  return {
    listTargets: (_request, context) => ({
      targets: targets()
        .filter(({ name, labels }) => rights.may(callerOfCall(context), "see-target", { target: name, labels }))
        .toSorted((one, other) => (one.name < other.name ? -1 : 1))
        .map(({ name, kind, host, port, user, labels, source }) => ({
          ...{ name, user, source },
          kind: kind === "demo" ? TargetKind.DEMO : TargetKind.SSH,
          address: host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`,
          labels: { ...labels },
        })),
    }),
  };
}
