/** CommandService: what was typed, found again. Operators find their own, auditors and admins everybody's. */
import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { type CommandService, FoundCommandSchema } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { may } from "../access/policy.ts";
import type { CommandStore } from "../commands/command.ts";
import { BartizanFault } from "../errors.ts";
import { callerOfCall } from "./guard.ts";
import { commandToWire } from "./wire.ts";

const [usualPage, largestPage] = [50, 500];
const maxTextLength = 1000;
/** Nobody's name: a session of somebody else, as far as the policy goes. */
const somebodyElse = { operator: { name: "" } };

/** `elsewhere`: what to say of a session that another node recorded, by the form of its id; undefined for all others. */
export function createCommandService(
  store: CommandStore,
  elsewhere: (id: string) => BartizanFault | undefined,
): ServiceImpl<typeof CommandService> {
  return {
    async searchCommands(request, context) {
      const caller = callerOfCall(context);
      const everybody = may(caller, "replay", somebodyElse);
      const { text, target, sessionId } = request;
      if (text.length > maxTextLength || sessionId.length > 200)
        throw new BartizanFault("invalid", `A search has at most ${maxTextLength} characters.`);
      const operator = everybody ? request.operator : caller.name;
      if (!everybody && request.operator !== "" && request.operator !== caller.name) return none(elsewhere(sessionId));
      const { commands, next } = await store.search(
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

/** Nothing of what was asked for is for him. */
function none(away: BartizanFault | undefined): { commands: []; nextPageToken: string } {
  if (away !== undefined) throw away;
  return { commands: [], nextPageToken: "" };
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
