/** `bartizan token`: makes, lists and revokes API tokens, for programs that call the server. */

import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Command, InvalidArgumentError } from "commander";
import {
  type ApiToken,
  CreateTokenResponseSchema,
  ListTokensResponseSchema,
  TokenScopeSchema,
} from "../proto/gen/bartizan/v1/access_pb.ts";
import { callTimeoutMs } from "./api.ts";
import { exitCodes } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { type Column, table } from "./table.ts";
import { ageWords } from "./words.ts";

const dayMs = 86_400_000;
const units: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: dayMs };

interface CreateOptions {
  readonly role: readonly string[];
  readonly only: readonly string[];
  readonly target: readonly string[];
  readonly label: readonly (readonly [string, string])[];
  readonly lasts?: number;
  readonly json?: boolean;
}

export function tokenCommand(frame: Frame, done: (code: number) => void): Command {
  const told = "(`bartizan help token` tells what there is)";
  const command = new Command("token")
    .summary("make, list and revoke API tokens")
    .description("API tokens are for programs that call the server as you, or as less than you.")
    .addHelpText(
      "after",
      `
Examples:
  bartizan token create "nightly report" --role auditor --only list-recordings --only replay --lasts 90d
  bartizan token list
  bartizan token revoke k3f9x2ab4cd5ef6g`,
    );
  command.addCommand(
    new Command("create")
      .summary("make a token")
      .description(
        "Prints a new token, once: the server keeps only its digest. Give it to its program as BARTIZAN_TOKEN.",
      )
      .argument("<purpose>", "what it is for; lists show it")
      .option("--role <role>", "only this one of your roles; may be repeated", collect, [])
      .option(
        "--only <action>",
        "only this action, such as list-sessions, and what it needs; may be repeated",
        collect,
        [],
      )
      .option("--target <name>", "only this target; `*` for any letters; may be repeated", collect, [])
      .option("--label <key=value>", "only targets with this label; may be repeated", collectPair, [])
      .option("--lasts <time>", "how long it lasts: 30m, 12h (default: 90d)", spanOf)
      .option("--json", "one JSON document (bartizan.v1.CreateTokenResponse)")
      .exitOverride()
      .showHelpAfterError(told)
      .action(async (purpose: string, options: CreateOptions) => done(await createToken(frame, purpose, options))),
  );
  command.addCommand(
    new Command("list")
      .summary("list tokens")
      .description("Lists your API tokens, newest first; never the tokens themselves.")
      .option("--all", "everybody's, for those who may manage them")
      .option("--json", "one JSON document (bartizan.v1.ListTokensResponse)")
      .exitOverride()
      .showHelpAfterError(told)
      .action(async (options: { all?: boolean; json?: boolean }) => done(await listTokens(frame, options))),
  );
  command.addCommand(
    new Command("revoke")
      .summary("end a token")
      .description("Ends a token, at once, with every stream that came by it.")
      .argument("<id>", "its id, as `bartizan token list` shows it")
      .exitOverride()
      .showHelpAfterError(told)
      .action(async (id: string) => done(await revokeToken(frame, id))),
  );
  return command;
}

async function createToken(frame: Frame, label: string, options: CreateOptions): Promise<number> {
  using api = frame.api();
  const scope = create(TokenScopeSchema, {
    actions: [...options.only],
    targets: [...options.target],
    labels: Object.fromEntries(options.label),
  });
  const wish = { label, roles: [...options.role], scope, lasts: durationFromMs(options.lasts ?? 90 * dayMs) };
  const made = await api.clients.access.createToken(wish, { timeoutMs: callTimeoutMs });
  if (options.json) await frame.printJson(CreateTokenResponseSchema, made);
  else {
    await frame.print(`${made.token}\n`);
    frame.tell("This is the only time that it is shown. Whoever has it may what it may.");
    if (made.made !== undefined && options.only.length > 0) frame.tell(`It is for ${scopeWords(made.made)} alone.`);
  }
  return exitCodes.ok;
}

const columns = (nowMs: number): readonly Column<ApiToken>[] => [
  { head: "ID", cell: ({ id }) => id },
  { head: "OWNER", cell: ({ owner }) => owner },
  { head: "FOR", cell: ({ label }) => label, most: 40 },
  { head: "ROLES", cell: ({ roles }) => roles.join(",") },
  { head: "ONLY", cell: scopeWords, most: 40 },
  { head: "LEFT", cell: ({ expiresAt }) => leftWords(expiresAt === undefined ? 0 : timestampMs(expiresAt) - nowMs) },
  { head: "USED", cell: ({ lastUsedAt }) => (lastUsedAt === undefined ? "never" : ageWords(lastUsedAt, nowMs)) },
  { head: "FROM", cell: ({ lastUsedFrom }) => lastUsedFrom || "-" },
];

async function listTokens(frame: Frame, options: { all?: boolean; json?: boolean }): Promise<number> {
  using api = frame.api();
  const list = await api.clients.access.listTokens({ all: options.all === true }, { timeoutMs: callTimeoutMs });
  if (options.json) await frame.printJson(ListTokensResponseSchema, list);
  else if (list.tokens.length === 0) frame.tell("There is no token.");
  else await frame.print(table(columns(Date.now()), list.tokens, frame.paint));
  return exitCodes.ok;
}

async function revokeToken(frame: Frame, given: string): Promise<number> {
  using api = frame.api();
  // Whoever has the token at hand need not find the id in it.
  const id = /^bzt_([a-z2-7]+)_/.exec(given)?.[1] ?? given;
  await api.clients.access.revokeToken({ id }, { timeoutMs: callTimeoutMs });
  frame.tell("It is worth nothing any more.");
  return exitCodes.ok;
}

function scopeWords({ scope }: ApiToken): string {
  const labels = Object.entries(scope?.labels ?? {}).map((label) => label.join("="));
  return [...(scope?.actions ?? []), ...(scope?.targets ?? []), ...labels].join(" ") || "-";
}

function leftWords(ms: number): string {
  if (ms <= 0) return "over";
  if (ms < 2 * dayMs) return ms < 7_200_000 ? `${Math.ceil(ms / 60_000)}m` : `${Math.floor(ms / 3_600_000)}h`;
  return `${Math.floor(ms / dayMs)}d`;
}

function spanOf(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const ms = Number(count) * (units[unit] ?? 0);
  if (ms > 0) return ms;
  throw new InvalidArgumentError("Write it like 30m, 12h or 90d.");
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function collectPair(value: string, before: readonly (readonly [string, string])[]): (readonly [string, string])[] {
  const at = value.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Write it like team=shop.");
  return [...before, [value.slice(0, at), value.slice(at + 1)]];
}
