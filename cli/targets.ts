/** `bartizan targets`: what shells can be opened on. */

import { Command } from "commander";
import { ListTargetsResponseSchema, type Target } from "../proto/gen/bartizan/v1/target_pb.ts";
import { callTimeoutMs } from "./api.ts";
import { exitCodes } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { type Column, table } from "./table.ts";

export interface TargetsOptions {
  readonly json?: boolean;
}

const columns: readonly Column<Target>[] = [
  { head: "NAME", cell: (target) => target.name },
  { head: "ADDRESS", cell: (target) => target.address },
  { head: "USER", cell: (target) => target.user },
  { head: "FROM", cell: (target) => target.source },
  {
    head: "LOCKED",
    cell: (target) => (target.lock === undefined ? "-" : `by ${target.lock.by}: ${target.lock.reason}`),
  },
  {
    head: "LABELS",
    cell: (target) =>
      Object.entries(target.labels)
        .map((label) => label.join("="))
        .sort()
        .join(" "),
  },
];

export function targetsCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("targets")
    .summary("list what shells can be opened on")
    .description("Lists the targets that you may open a shell on, by name.")
    .option("--json", "one JSON document (bartizan.v1.ListTargetsResponse)")
    .addHelpText("after", "\nExamples:\n  bartizan targets\n  bartizan targets --json | jq -r '.targets[].name'")
    .action(async (options: TargetsOptions) => done(await targets(frame, options)));
}

async function targets(frame: Frame, options: TargetsOptions): Promise<number> {
  using api = frame.api();
  const list = await api.clients.targets.listTargets({}, { timeoutMs: callTimeoutMs });
  if (options.json) await frame.printJson(ListTargetsResponseSchema, list);
  else if (list.targets.length === 0) frame.tell("There is no target that you may open a shell on.");
  else await frame.print(table(columns, list.targets, frame.paint));
  return exitCodes.ok;
}
