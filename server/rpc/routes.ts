/** Builds the one router: every service, behind the guard, with the limits that every call keeps. */
import { type ConnectRouter, createConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { CommandService, RecordingService } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { SessionService } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { TargetService } from "../../proto/gen/bartizan/v1/target_pb.ts";
import type { LoginMeter } from "../access/login-meter.ts";
import type { CommandStore } from "../commands/command.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import type { Registry } from "../session/registry.ts";
import type { Sessions } from "../session/sessions.ts";
import type { Target } from "../target/target.ts";
import { createAccessService, type GroupWord, type PageDoor } from "./access-service.ts";
import { createCommandService } from "./command-service.ts";
import { errorInterceptor } from "./errors.ts";
import { assertEveryMethodHasARow, type CallerOf, createGuard } from "./guard.ts";
import { Kicks } from "./kicks.ts";
import { createRecordingService, type RecordingServiceNeeds } from "./recording-service.ts";
import { createSessionService } from "./session-service.ts";
import { createStreamMethods, type StreamMethod } from "./stream-method.ts";
import { createTargetService } from "./target-service.ts";

export interface RoutesNeeds {
  readonly registry: Registry;
  /** Those of this node and of all that it is joined to. */
  readonly sessions: Sessions;
  readonly recordings: RecordingServiceNeeds;
  readonly commands: CommandStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly targets: () => readonly Target[];
  readonly callerOf: CallerOf;
  readonly signIn: PageDoor;
  readonly logins: LoginMeter;
  /** What joins this node to others. */
  readonly group: () => GroupWord;
  /** The page's address with this code in its fragment. */
  readonly linkUrl: (code: string) => string;
  readonly graceMs: number;
  /** False: operators are not told who watches them. */
  readonly watchersVisible: boolean;
  readonly node: string;
  readonly version: string;
  readonly nativeCrypto: boolean;
  /** Ends every handler's signal with its reason. */
  readonly shutdown: AbortSignal;
}

export interface Routes {
  readonly router: ConnectRouter;
  /** The streaming methods, to be served without the library where that is possible. */
  readonly streams: ReadonlyMap<string, StreamMethod>;
  /** Who calls, and may he: for calls that do not pass through the router. */
  readonly guard: (context: HandlerContext) => void;
}

export const maxMessageBytes = 256 * 1024;

/** Throws when a method has no row in the policy table. */
export function createRoutes(needs: RoutesNeeds): Routes {
  const { registry, clock, log, targets, callerOf, graceMs, watchersVisible, shutdown } = needs;
  const guard = createGuard(callerOf, log, () => needs.logins.tokenRefused());
  const router = createConnectRouter({
    // Compression costs 12 to 17 times the CPU on terminal frames.
    acceptCompression: [],
    readMaxBytes: maxMessageBytes,
    writeMaxBytes: 1024 * 1024,
    shutdownSignal: shutdown,
    requestGate: guard,
    interceptors: [errorInterceptor(log, needs.node)],
  });
  const findTarget = (name: string) => targets().find((target) => target.name === name);
  const kicks = new Kicks(needs.sessions, clock, log);
  const sessions = createSessionService({
    ...{ registry, sessions: needs.sessions, findTarget, graceMs, kicks, watchersVisible },
  });
  router.service(SessionService, sessions);
  const recordings = createRecordingService(needs.recordings);
  router.service(RecordingService, recordings);
  router.service(TargetService, createTargetService(targets));
  router.service(CommandService, createCommandService(needs.commands));
  router.service(AccessService, createAccessService(needs));
  assertEveryMethodHasARow(router.handlers.map((handler) => handler.requestPath));
  return { router, guard, streams: createStreamMethods(sessions, recordings) };
}
