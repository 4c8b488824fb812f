/** `bartizan freeze` and `unfreeze`: stop a session's input without ending it, and give it back. */

import { Command } from "commander";
import { printable } from "../proto/client/printable.ts";
import { callTimeoutMs } from "./api.ts";
import { exitCodes } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { resolveSession } from "./session-id.ts";

export function freezeCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("freeze")
    .summary("stop a session's input, without ending it")
    .description(
      "What the operator types goes nowhere until it is given back; the program goes on, and so does the output. He and all watchers are told by whom and why.",
    )
    .argument("<session>", "its id, or the beginning of it")
    .requiredOption("--reason <text>", "why; told to everybody there (1 to 500 characters)")
    .addHelpText("after", '\nExample:\n  bartizan freeze n1-7f3a --reason "let us look first"')
    .action(async (session: string, { reason }: { readonly reason: string }) => {
      using api = frame.api();
      const sessionId = await resolveSession(api.clients, session);
      const { frozen } = await api.clients.sessions.freeze({ sessionId, reason }, { timeoutMs: callTimeoutMs });
      const by = printable(frozen?.by?.name ?? "");
      await frame.print(
        `${printable(sessionId)} takes no input: stopped by ${by}: ${printable(frozen?.reason ?? "")}\n`,
      );
      done(exitCodes.ok);
    });
}

export function unfreezeCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("unfreeze")
    .summary("give the input of a frozen session back")
    .description("From then on what the operator types reaches the program again.")
    .argument("<session>", "its id, or the beginning of it")
    .addHelpText("after", "\nExample:\n  bartizan unfreeze n1-7f3a")
    .action(async (session: string) => {
      using api = frame.api();
      const sessionId = await resolveSession(api.clients, session);
      await api.clients.sessions.unfreeze({ sessionId }, { timeoutMs: callTimeoutMs });
      await frame.print(`${printable(sessionId)} takes input again.\n`);
      done(exitCodes.ok);
    });
}
