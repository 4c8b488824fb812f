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
import type { Caller } from "../access/policy.ts";
import { resourceOf } from "../access/rights.ts";
import type { Audit } from "../audit.ts";
import { BartizanFault } from "../errors.ts";
import type { Principal } from "../events.ts";
import { linked } from "../flow/life.ts";
import type { Attachment, AttachOptions } from "../session/live-session.ts";
import type { Registry } from "../session/registry.ts";
import type { Sessions } from "../session/sessions.ts";
import type { Target } from "../target/target.ts";
import { checkLocks, checkOpen, type EntryNeeds, noSuchTarget } from "./entry.ts";
import { liveSession, noSuchSession } from "./errors.ts";
import { actorOfCall, type Call, callOf } from "./guard.ts";
import { Prompter } from "./prompter.ts";
import { createSessionNotes, type SessionNotes } from "./session-notes.ts";
import { createTypedAhead } from "./typed-ahead.ts";
import type { Watching } from "./watching.ts";
import { positionFromWire, shellItemToWire, sizeFromWire } from "./wire.ts";

const maxInputBytes = 64 * 1024;

export interface ShellNeeds extends EntryNeeds {
  readonly registry: Registry;
  readonly sessions: Sessions;
  readonly findTarget: (name: string) => Target | undefined;
  readonly graceMs: number;
  readonly audit: Audit;
  readonly watching: Watching;
  /** Told to every operator before his shell begins. */
  readonly banner: () => string | undefined;
}

type ShellEvent = NonNullable<MessageInitShape<typeof ShellResponseSchema>["event"]>;

/** The implementation of `SessionService.Shell`. */
export async function* shell(
  requests: AsyncIterable<ShellRequest>,
  context: HandlerContext,
  needs: ShellNeeds,
): AsyncGenerator<ShellResponse> {
  const call = callOf(context);
  const { caller } = call;
  const incoming = requests[Symbol.asyncIterator]();
  const start = await firstMessage(incoming);
  const notes = createSessionNotes(needs.audit, actorOfCall(context));
  const target = start.shell.case === "target" ? start.shell.value : "";
  const prompter = new Prompter((fingerprint, accepted) => notes.hostKey(target, fingerprint, accepted));
  using life = linked(context.signal);
  // However this generator is left, nothing that it began goes on: a seat at the desk would wait for ever.
  using _end = { [Symbol.dispose]: () => life.end(new BartizanFault("not-found", "The call is over.")) };
  const opening = openOrFind(start, call, prompter, life.signal, needs, notes);
  opening.then(prompter.close, prompter.close);
  // From here on somebody always reads the requests: a wrong one ends the call.
  readRequests(incoming, prompter, opening, start.shell.case === "target", life.end).catch(life.end);
  const banner = needs.banner();
  if (banner !== undefined && start.shell.case === "target")
    yield response({ case: "notice", value: { kind: NoticeKind.MONITORED, text: banner } });
  if (start.shell.case === "target")
    yield response({
      case: "notice",
      value: { kind: NoticeKind.CONNECTING, text: `connecting to ${start.shell.value}` },
    });
  for await (const event of prompter.outgoing(life.signal)) yield response(event);
  const attachment = await opening;
  const sight = needs.watching.sightOf(caller, resourceOf(attachment.info));
  const { self, info, start: position, resumed, view } = attachment;
  yield response({
    case: "started",
    value: {
      session: needs.watching.shown(caller, info),
      position: { epoch: position.epoch, offset: BigInt(position.offset) },
      attachmentId: self.id,
      graceSeconds: Math.round(needs.graceMs / 1000),
      resumed,
    },
  });
  let ended = false;
  using _left = {
    [Symbol.dispose]: () => {
      if (!ended) notes.detached(info, self.id);
    },
  };
  for await (const item of view) {
    if (item.kind === "ended") ended = true;
    if (item.kind !== "command" && item.kind !== "reach" && sight.tells(item)) yield response(shellItemToWire(item));
  }
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
  call: Call,
  prompter: Prompter,
  signal: AbortSignal,
  needs: ShellNeeds,
  notes: SessionNotes,
): Promise<Attachment> {
  const { registry, sessions, findTarget, rights, locks } = needs;
  const { caller } = call;
  const size = sizeFromWire(start.size);
  const options = { acks: start.acks, size };
  if (start.shell.case === "reattach") {
    const session = await liveSession(sessions, start.shell.value.sessionId);
    const resource = resourceOf(session.info);
    const check = (who: Caller) => {
      if (!rights.may(who, "reattach", resource)) throw noSuchSession();
    };
    check(caller);
    checkLocks(locks, caller, session.info.target);
    call.ask(check);
    const from = positionFromWire(start.shell.value.from);
    const attachment = await session.attach({ name: caller.name }, "operator", { ...options, from }, signal);
    notes.attached(attachment.info, attachment.self.id, true);
    return attachment;
  }
  if (start.shell.case !== "target")
    throw new BartizanFault("invalid", "`start` names neither a target nor a session.");
  const target = findTarget(start.shell.value);
  if (target === undefined) {
    notes.refused(start.shell.value, noSuchTarget());
    throw noSuchTarget();
  }
  const resource = { target: target.name, labels: target.labels };
  // A lock bars who comes, not who is there: it is asked until the shell is open, and the right to it for as long as it is.
  let open = false;
  const opening = async () => {
    checkOpen(needs, caller, resource);
    call.ask((again) => {
      if (!open) checkOpen(needs, again, resource);
      else if (!rights.may(again, "open", resource)) throw mayNoMore();
    });
    const who = { name: caller.name };
    return await registry.open({ target, who, size, ask: prompter }, signal);
  };
  notes.requested(target.name);
  const session = await opening().catch((error) => {
    notes.refused(target.name, error);
    throw error;
  });
  open = true;
  notes.started(session.info, prompter.agreement);
  return await attachFirst(session, { name: caller.name }, options, signal, notes);
}

async function attachFirst(
  session: Awaited<ReturnType<Registry["open"]>>,
  who: Principal,
  options: AttachOptions,
  signal: AbortSignal,
  notes: SessionNotes,
): Promise<Attachment> {
  try {
    const from = { epoch: session.info.epoch, offset: 0 };
    const attachment = await session.attach(who, "operator", { ...options, from }, signal);
    notes.attached(attachment.info, attachment.self.id, false);
    return attachment;
  } catch (error) {
    // He left in the very moment it opened, and never learnt its id.
    session.close("operator");
    throw error;
  }
}

function mayNoMore(): BartizanFault {
  return new BartizanFault("forbidden", "You may not have a shell on this target any more.", "Ask an admin.");
}

/** Always reads: whatever comes, an answer, an acknowledgement or a ping behind it is heard. */
async function readRequests(
  incoming: AsyncIterator<ShellRequest>,
  prompter: Prompter,
  opening: Promise<Attachment>,
  isNew: boolean,
  fail: (error: unknown) => void,
): Promise<void> {
  const early = createTypedAhead();
  let open: Attachment | undefined;
  const opened = (attachment: Attachment) => {
    open = attachment;
    for (const event of early.take()) toKeyboard(event, attachment, fail);
  };
  opening.then(opened).catch(fail);
  for (;;) {
    const { done, value } = await incoming.next();
    if (done) return;
    const { event } = value;
    check(event);
    if (event.case === "answer") prompter.answer(event.value);
    else if (event.case === "ping") open?.ping(event.value.id);
    else if (open !== undefined) toKeyboard(event, open, fail);
    else if (event.case === "hangUp" && isNew)
      throw new BartizanFault("login-abandoned", "You hung up before the shell was open.");
    else early.keep(event);
  }
}

/** What is wrong whenever it comes. */
function check(event: ShellRequest["event"]): void {
  if (event.case === "start") throw new BartizanFault("invalid", "A Shell call has exactly one `start`.");
  if (event.case === "resize") sizeFromWire(event.value);
  if (event.case === "input" && event.value.length > maxInputBytes)
    throw new BartizanFault("invalid", "An input message is at most 64 KiB.", "Send it in pieces.");
}

/** Never waits. A key for a keyboard that is void by now is dropped: the view tells why it is. */
function toKeyboard(
  event: ShellRequest["event"],
  { keyboard, acknowledge }: Attachment,
  fail: (error: unknown) => void,
): void {
  if (event.case === "ack") acknowledge(Number(event.value.offset));
  else if (keyboard === undefined || !keyboard.valid) return;
  else if (event.case === "hangUp") keyboard.hangUp();
  else if (event.case === "resize") keyboard.resize(sizeFromWire(event.value));
  else if (event.case === "input") keyboard.write(event.value).catch(fail);
}
