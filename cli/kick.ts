/** `bartizan kick`: ends a session, or takes one attachment off it, and says what is known about the end. */

import { randomUUID } from "node:crypto";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Command, InvalidArgumentError } from "commander";
import { endCause } from "../proto/client/events.ts";
import { printable } from "../proto/client/printable.ts";
import {
  KickLockScope,
  KickOutcome,
  type KickResponse,
  KickResponseSchema,
} from "../proto/gen/bartizan/v1/session_pb.ts";
import { Complaint } from "./complaint.ts";
import { exitCodes } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { lockWords } from "./locks.ts";
import { resolveSession } from "./session-id.ts";
import { untilHelp, untilTime } from "./until-time.ts";
import { endWords } from "./words.ts";

export interface KickOptions {
  readonly reason: string;
  readonly attachment?: string;
  readonly lock?: KickLockScope;
  readonly until?: Timestamp;
  readonly json?: boolean;
}

/** Longer than the server waits for the session's holder. */
const kickTimeoutMs = 20_000;

export function kickCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("kick")
    .summary("end a session, and know that it ended")
    .description(
      "Ends a session: its shell is hung up, its operator and all watchers are told by whom and why. With --attachment only that one viewer is taken off, and the session lives on.",
    )
    .argument("<session>", "its id, or the beginning of it")
    .requiredOption("--reason <text>", "why; told to everybody who is attached (1 to 500 characters)")
    .option("--attachment <id>", "only this attachment, as `bartizan sessions --json` lists it")
    .option("--lock <whom>", "and who may not come back: target (nobody, there), user (he, anywhere), both", lockScope)
    .option("--until <time>", `when the lock ends by itself: ${untilHelp}`, untilTime)
    .option("--json", "one JSON document (bartizan.v1.KickResponse)")
    .addHelpText(
      "after",
      `
Exits with 0 when it ended by this call, 3 when it had ended before, 4 when its holder did not answer (the order stands).

Examples:
  bartizan kick n1-7f3a --reason "production freeze"
  bartizan kick n1-7f3a --reason "token lost" --lock user --until 2h
  bartizan kick n1-7f3a --attachment a2 --reason "wrong room"`,
    )
    .action(async (session: string, options: KickOptions) => done(await kick(frame, session, options)));
}

function lockScope(text: string): KickLockScope {
  if (text === "target") return KickLockScope.TARGET;
  if (text === "user") return KickLockScope.USER;
  if (text === "both") return KickLockScope.USER_ON_TARGET;
  throw new InvalidArgumentError("It is target, user, or both.");
}

function untilPart({ until }: KickOptions): { until?: Timestamp } {
  return until === undefined ? {} : { until };
}

async function kick(frame: Frame, given: string, options: KickOptions): Promise<number> {
  if (options.until !== undefined && options.lock === undefined)
    throw new Complaint("--until says when a lock ends.", "Give --lock too.", exitCodes.usage);
  using api = frame.api();
  const sessionId = await resolveSession(api.clients, given);
  const request = {
    sessionId,
    attachmentId: options.attachment ?? "",
    reason: options.reason,
    idempotencyId: randomUUID(),
    ...(options.lock === undefined ? {} : { lock: { scope: options.lock, ...untilPart(options) } }),
  };
  const answer = await api.clients.sessions.kick(request, { timeoutMs: kickTimeoutMs });
  if (options.json) await frame.printJson(KickResponseSchema, answer);
  else await frame.print(`${outcomeWords(sessionId, options.attachment, answer)}${lockedWords(answer)}\n`);
  return outcomeCode(answer.outcome);
}

function outcomeWords(sessionId: string, attachment: string | undefined, answer: KickResponse): string {
  const what = printable(attachment === undefined ? sessionId : `${attachment} of ${sessionId}`);
  const count = answer.watchersTold;
  const told = `${count} ${count === 1 ? "watcher was" : "watchers were"} told`;
  switch (answer.outcome) {
    case KickOutcome.ENDED:
      return `${what} ended after ${answer.tookMs.toFixed(1)} ms; ${told}.`;
    case KickOutcome.ALREADY_ENDED: {
      const how = answer.ended ? `: ${endWords(endCause(answer.ended))}` : "";
      return `${what} had ended before${how}.`;
    }
    case KickOutcome.UNREACHABLE:
      return `${what}: its holder did not answer within ${Math.round(answer.tookMs)} ms. Nothing is known. ${orderWords(answer)}`;
    default:
      return `${what}: the server gave an outcome that this version does not know.`;
  }
}

function lockedWords({ lock, lockNotEverywhere }: KickResponse): string {
  if (lock === undefined) return "";
  return `\n${printable(lock.id)}: ${lockWords(lock)}.${lockNotEverywhere ? " Some nodes could not be told yet." : ""}`;
}

export function orderWords({ orderLeft }: Pick<KickResponse, "orderLeft">): string {
  return orderLeft
    ? "The order waits where its node finds it by itself; `bartizan sessions --all` shows later whether it did."
    : "The order is kept by the node that answered alone, and given as soon as it hears of the holder. `bartizan sessions --all` shows later whether the session has ended.";
}

function outcomeCode(outcome: KickOutcome): number {
  if (outcome === KickOutcome.ENDED) return exitCodes.ok;
  if (outcome === KickOutcome.ALREADY_ENDED) return exitCodes.alreadyEnded;
  return outcome === KickOutcome.UNREACHABLE ? exitCodes.unreachable : exitCodes.failed;
}
