/** `bartizan link`: a fresh link that opens the page, signed in. */

import { Command } from "commander";
import { CreateLinkResponseSchema } from "../proto/gen/bartizan/v1/access_pb.ts";
import { callTimeoutMs } from "./api.ts";
import { exitCodes } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";

export interface LinkOptions {
  readonly json?: boolean;
}

export function linkCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("link")
    .summary("make a link that opens the page")
    .description(
      "Prints a link that opens the page in a browser, signed in as you. It works once, within two minutes; whoever opens it first is you there.",
    )
    .option("--json", "one JSON document (bartizan.v1.CreateLinkResponse)")
    .addHelpText("after", "\nExamples:\n  bartizan link\n  xdg-open $(bartizan link)")
    .action(async (options: LinkOptions) => done(await link(frame, options)));
}

async function link(frame: Frame, options: LinkOptions): Promise<number> {
  using api = frame.api();
  const made = await api.clients.access.createLink({}, { timeoutMs: callTimeoutMs });
  if (options.json) await frame.printJson(CreateLinkResponseSchema, made);
  else {
    await frame.print(`${made.url}\n`);
    frame.tell("Open it within two minutes; it works once.");
  }
  return exitCodes.ok;
}
