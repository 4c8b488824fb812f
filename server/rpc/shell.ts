/** The Shell call: one operator, one stream in, one stream out; input never waits behind output. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import {
  NoticeKind,
  type ShellRequest,
  type ShellResponse,
  ShellResponseSchema,
  type ShellStart,
} from "../../proto/gen/bartizan/v1/session_pb.ts";
import { type Caller, may } from "../access/policy.ts";
import { BartizanFault } from "../errors.ts";
import { linked } from "../flow/life.ts";
import type { Attachment } from "../session/live-session.ts";
import type { Registry } from "../session/registry.ts";
import type { Target } from "../target/target.ts";
import { noSuchSession } from "./errors.ts";
import { callerOfCall } from "./guard.ts";
import { Prompter } from "./prompter.ts";
import { infoToWire, positionFromWire, sizeFromWire, viewItemToWire } from "./wire.ts";

const maxInputBytes = 64 * 1024;

export interface ShellNeeds {
  readonly registry: Registry;
  readonly findTarget: (name: string) => Target | undefined;
  readonly graceMs: number;
}

type ShellEvent = NonNullable<MessageInitShape<typeof ShellResponseSchema>["event"]>;

/** The implementation of `SessionService.Shell`. */
export async function* shell(
  requests: AsyncIterable<ShellRequest>,
  context: HandlerContext,
  needs: ShellNeeds,
): AsyncGenerator<ShellResponse> {
  const caller = callerOfCall(context);
  const incoming = requests[Symbol.asyncIterator]();
  const start = await firstMessage(incoming);
  const prompter = new Prompter();
  using call = linked(context.signal);
  const opening = openOrFind(start, caller, prompter, call.signal, needs);
  opening.then(prompter.close, prompter.close);
  // From here on somebody always reads the requests: a wrong one ends the call.
  readRequests(incoming, prompter, opening, call.end).catch(call.end);
  if (start.shell.case === "target")
    yield response({
      case: "notice",
      value: { kind: NoticeKind.CONNECTING, text: `connecting to ${start.shell.value}` },
    });
  for await (const event of prompter.outgoing(call.signal)) yield response(event);
  const attachment = await opening;
  const { self, info, start: position, resumed, view } = attachment;
  yield response({
    case: "started",
    value: {
      session: infoToWire(info),
      position: { epoch: position.epoch, offset: BigInt(position.offset) },
      attachmentId: self.id,
      graceSeconds: Math.round(needs.graceMs / 1000),
      resumed,
    },
  });
  for await (const item of view)
    yield item.kind === "input-taken"
      ? response({ case: "inputTaken", value: { bytes: BigInt(item.bytes) } })
      : response(viewItemToWire(item));
}

function response(event: ShellEvent): ShellResponse {
  return create(ShellResponseSchema, { event });
}

async function firstMessage(incoming: AsyncIterator<ShellRequest>): Promise<ShellStart> {
  const first = await incoming.next();
  if (first.done !== true && first.value.event.case === "start") return first.value.event.value;
  throw new BartizanFault("invalid", "The first message of a Shell call must be `start`.");
}

async function openOrFind(
  start: ShellStart,
  caller: Caller,
  prompter: Prompter,
  signal: AbortSignal,
  { registry, findTarget }: ShellNeeds,
): Promise<Attachment> {
  const size = sizeFromWire(start.size);
  const options = { acks: start.acks, size };
  if (start.shell.case === "reattach") {
    const session = registry.find(start.shell.value.sessionId);
    if (session === undefined || !may(caller, "reattach", session.info)) throw noSuchSession();
    const from = positionFromWire(start.shell.value.from);
    return await session.attach({ name: caller.name }, "operator", { ...options, from }, signal);
  }
  if (start.shell.case !== "target")
    throw new BartizanFault("invalid", "`start` names neither a target nor a session.");
  const target = findTarget(start.shell.value);
  if (target === undefined)
    throw new BartizanFault("not-found", "There is no such target.", "`bartizan targets` lists what there is.");
  const who = { name: caller.name };
  const session = await registry.open({ target, who, size, ask: prompter }, signal);
  try {
    const from = { epoch: session.info.epoch, offset: 0 };
    return await session.attach(who, "operator", { ...options, from }, signal);
  } catch (error) {
    // He left in the very moment it opened, and never learnt its id.
    session.close("operator");
    throw error;
  }
}

async function readRequests(
  incoming: AsyncIterator<ShellRequest>,
  prompter: Prompter,
  opening: Promise<Attachment>,
  fail: (error: unknown) => void,
): Promise<void> {
  for (;;) {
    const { done, value } = await incoming.next();
    if (done) return;
    const { event } = value;
    if (event.case === "answer") prompter.answer(event.value);
    else if (event.case === "start") throw new BartizanFault("invalid", "A Shell call has exactly one `start`.");
    // What is typed ahead waits for the shell; the stream's own back-pressure holds the client meanwhile.
    else toKeyboard(event, await opening, fail);
  }
}

/** Never waits: an acknowledgement must not stand behind input that the target does not take. */
function toKeyboard(
  event: ShellRequest["event"],
  { keyboard, acknowledge }: Attachment,
  fail: (error: unknown) => void,
): void {
  if (event.case === "ack") acknowledge(Number(event.value.offset));
  else if (event.case === "hangUp") keyboard?.hangUp();
  else if (event.case === "resize") keyboard?.resize(sizeFromWire(event.value));
  else if (event.case === "input") {
    if (event.value.length > maxInputBytes)
      throw new BartizanFault("invalid", "An input message is at most 64 KiB.", "Send it in pieces.");
    keyboard?.write(event.value).catch(fail);
  }
}
