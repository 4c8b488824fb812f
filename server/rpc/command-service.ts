/** CommandService: what was typed, found again; of the sessions whose recordings the caller may replay. */
import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { type CommandService, FoundCommandSchema } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import type { Caller } from "../access/policy.ts";
import type { Rights } from "../access/rights.ts";
import type { Audit } from "../audit.ts";
import type { CommandQuery, CommandStore, StoredCommand } from "../commands/command.ts";
import { BartizanFault } from "../errors.ts";
import type { SessionId } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import { actorOfCall, callerOfCall } from "./guard.ts";
import { createViewFold } from "./view-fold.ts";
import { commandToWire } from "./wire.ts";

const [usualPage, largestPage] = [50, 500];
const maxTextLength = 1000;
/** A search over what the caller may not see is given up after so many pages of it; the next page goes on there. */
const mostPages = 20;

export interface CommandServiceNeeds {
  readonly commands: CommandStore;
  readonly rights: Rights;
  readonly audit: Pick<Audit, "write">;
  readonly clock: Clock;
  /** The labels of a session's target when it was opened; undefined when they are not known any more. */
  readonly labelsOf: (sessionId: string) => Readonly<Record<string, string>> | undefined;
  /** What to say of a session that another node recorded, by the form of its id; undefined for all others. */
  readonly elsewhere: (id: string) => BartizanFault | undefined;
}

export function createCommandService(needs: CommandServiceNeeds): ServiceImpl<typeof CommandService> {
  const { rights, audit, elsewhere } = needs;
  const foldView = createViewFold(needs.clock);
  return {
    async searchCommands(request, context) {
      const caller = callerOfCall(context);
      const everybody = rights.mayReachOthers(caller, "replay");
      const { text, target, sessionId } = request;
      if (text.length > maxTextLength || sessionId.length > 200)
        throw new BartizanFault("invalid", `A search has at most ${maxTextLength} characters.`);
      const operator = everybody ? request.operator : caller.name;
      if (!everybody && request.operator !== "" && request.operator !== caller.name) return none(elsewhere(sessionId));
      const actor = actorOfCall(context);
      const what = JSON.stringify([text, operator, target, sessionId]);
      const said = {
        text,
        ...(operator === "" ? {} : { cause: `typed by ${operator}` }),
        ...(target === "" ? {} : { target }),
      };
      const session = sessionId === "" ? undefined : (sessionId as SessionId);
      // All pages of a search, and a page in the browser that asks anew, are one look.
      foldView(actor, what, () => audit.write({ event: "commands-searched", ...said, session, actor }));
      const { commands, next } = await found(
        needs,
        caller,
        {
          limit: pageSize(request.pageSize),
          ...(text === "" ? {} : { text }),
          ...(operator === "" ? {} : { operator }),
          ...(target === "" ? {} : { target }),
          ...(sessionId === "" ? {} : { sessionId }),
          ...timePart("fromMs", request.from),
          ...timePart("untilMs", request.until),
          ...afterPart(request.pageToken),
        },
        context.signal,
      );
      // A page after the last is empty here as well.
      const away = commands.length === 0 && request.pageToken === "" ? elsewhere(sessionId) : undefined;
      if (away !== undefined) throw away;
      return {
        commands: commands.map((command) =>
          create(FoundCommandSchema, {
            command: commandToWire(command.sessionId, command),
            operator: { name: command.operator },
            target: command.target,
            at: timestampFromMs(command.atMs),
            recordingId: command.recordingId,
          }),
        ),
        nextPageToken: next === undefined ? "" : String(next),
      };
    },
  };
}

/** A page of what the caller may see; shorter than asked only when very much of the rest is not for him. */
async function found(
  { commands: store, rights, labelsOf }: CommandServiceNeeds,
  caller: Caller,
  query: CommandQuery,
  signal: AbortSignal,
): Promise<{ commands: StoredCommand[]; next: number | undefined }> {
  const known = new Map<string, boolean>();
  const may = ({ sessionId, operator, target }: StoredCommand) => {
    const before = known.get(sessionId);
    if (before !== undefined) return before;
    const allowed = rights.may(caller, "replay", { owner: operator, target, labels: labelsOf(sessionId) });
    known.set(sessionId, allowed);
    return allowed;
  };
  const commands: StoredCommand[] = [];
  let next = query.after;
  for (let pages = 0; pages < mostPages; pages += 1) {
    const from = next === undefined ? {} : { after: next };
    const page = await store.search({ ...query, ...from, limit: query.limit - commands.length }, signal);
    commands.push(...page.commands.filter(may));
    next = page.next;
    if (next === undefined || commands.length >= query.limit) break;
  }
  return { commands, next };
}

function pageSize(asked: number): number {
  if (asked > largestPage) throw new BartizanFault("invalid", `A page has at most ${largestPage} commands.`);
  return asked === 0 ? usualPage : asked;
}

function timePart(name: "fromMs" | "untilMs", time: Timestamp | undefined): { fromMs?: number; untilMs?: number } {
  if (time === undefined) return {};
  // Further away is before and after everything.
  return { [name]: Math.min(Math.max(timestampMs(time), 0), 4e12) };
}

function afterPart(token: string): { after?: number } {
  if (token === "") return {};
  if (!/^\d{1,16}$/.test(token) || !Number.isSafeInteger(Number(token)))
    throw new BartizanFault("invalid", "This page token is none of this server's.");
  return { after: Number(token) };
}

/** Nothing of what was asked for is for him. */
function none(away: BartizanFault | undefined): { commands: []; nextPageToken: string } {
  if (away !== undefined) throw away;
  return { commands: [], nextPageToken: "" };
}
