/** What `doctor` says of the group that the server belongs to. */
import { printable } from "../proto/client/printable.ts";
import type { GroupState } from "../proto/gen/bartizan/v1/access_pb.ts";
import type { Finding } from "./doctor.ts";

/** One line for the group, and one for each thing that is not as it should be. None for a server that says nothing of it. */
export function groupFindings(group: GroupState | undefined): Finding[] {
  if (group === undefined) return [];
  if (group.bus === "memory") return [{ what: "group", state: "ok", found: "none, this node is alone", advice: "" }];
  const bus = printable(group.bus);
  const nodes = group.nodes.map((node) => printable(node)).toSorted();
  const state: Finding = group.up
    ? {
        what: "group",
        state: "ok",
        found: `${bus}, ${nodes.length} node${nodes.length === 1 ? "" : "s"}: ${nodes.join(", ")}`,
        advice: "",
      }
    : {
        ...{ what: "group", state: "warn", found: `${bus} is down: ${printable(group.reason)}` },
        advice:
          "Shells on this node go on. Until its Redis is back, what it shows of other nodes stands still, and it reaches nothing there.",
      };
  const warnings = group.warnings.map((warning): Finding => {
    const found = printable(warning);
    return { what: "group", state: "warn", found, advice: "docs/groups.md says how the Redis should be set up." };
  });
  return [state, ...warnings];
}
