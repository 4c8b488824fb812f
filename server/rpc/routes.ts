/** Builds the one router: every service, behind the guard, with the limits that every call keeps. */
import { type ConnectRouter, createConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { AuditService } from "../../proto/gen/bartizan/v1/audit_pb.ts";
import { LockService } from "../../proto/gen/bartizan/v1/lock_pb.ts";
import { CommandService, RecordingService } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { SessionService } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { TargetService } from "../../proto/gen/bartizan/v1/target_pb.ts";
import type { AccessChanges } from "../access/changes.ts";
import type { LockStore } from "../access/locks.ts";
import type { LoginMeter } from "../access/login-meter.ts";
import type { Rights } from "../access/rights.ts";
import type { SignInNotes } from "../access/sign-in-notes.ts";
import type { Throttle } from "../access/throttle.ts";
import type { AuditLog } from "../audit/open-audit.ts";
import type { CommandStore } from "../commands/command.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import type { Registry } from "../session/registry.ts";
import type { Sessions } from "../session/sessions.ts";
import type { Target } from "../target/target.ts";
import { createAccessService, type GroupWord, type PageDoor } from "./access-service.ts";
import { type AuditServiceNeeds, createAuditService } from "./audit-service.ts";
import { createCommandService } from "./command-service.ts";
import { errorInterceptor } from "./errors.ts";
import { assertEveryMethodHasARow, type CredentialOf, createGuard } from "./guard.ts";
import { Kicks } from "./kicks.ts";
import { createLockService, type LockServiceNeeds } from "./lock-service.ts";
import type { LoginMethodsNeeds } from "./login-methods.ts";
import { createRecordingService, type RecordingServiceNeeds } from "./recording-service.ts";
import { createSessionService } from "./session-service.ts";
import { createStreamMethods, type StreamMethod } from "./stream-method.ts";
import { createTargetService } from "./target-service.ts";
import type { TokenMethodsNeeds } from "./token-methods.ts";
import { createWatching, type Visible } from "./watching.ts";

export interface RoutesNeeds extends TokenMethodsNeeds, LoginMethodsNeeds {
  readonly registry: Registry;
  /** Those of this node and of all that it is joined to. */
  readonly sessions: Sessions;
  readonly recordings: Omit<RecordingServiceNeeds, "rights" | "watching">;
  readonly commands: CommandStore;
  readonly audit: AuditLog;
  readonly auditIndex: AuditServiceNeeds["index"];
  readonly clock: Clock;
  readonly log: Log;
  readonly targets: () => readonly Target[];
  readonly credentialOf: CredentialOf;
  readonly rights: Rights;
  readonly locks: LockStore;
  readonly rolesOf: LockServiceNeeds["rolesOf"];
  /** Told to every operator before his shell begins. */
  readonly banner: () => string | undefined;
  readonly changes: AccessChanges;
  readonly signIns: SignInNotes;
  readonly door: PageDoor;
  readonly throttle: Throttle;
  readonly linkMeter: LoginMeter;
  /** What joins this node to others. */
  readonly group: () => GroupWord;
  /** The page's address with this code in its fragment. */
  readonly linkUrl: (code: string) => string;
  readonly graceMs: number;
  /** Of which watchers operators are told. */
  readonly watchersVisible: () => Visible;
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
/** For what needs no token, and for what is a name and a reason. */
const maxSmallBytes = 64 * 1024;

/** Throws when a method has no row in the policy table. */
export function createRoutes(needs: RoutesNeeds): Routes {
  const { registry, clock, log, targets, rights, shutdown } = needs;
  const guard = createGuard(needs);
  const watching = createWatching(rights, needs.watchersVisible);
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
  const labelsOf = (id: string) => needs.recordings.catalogue.find(id)?.labels ?? registry.find(id)?.info.labels;
  const kicks = new Kicks(needs);
  const sessions = createSessionService({ ...needs, findTarget, kicks, watching });
  router.service(SessionService, sessions);
  // The later of two handlers for a path counts.
  router.rpc(SessionService.method.kick, sessions.kick, { readMaxBytes: maxSmallBytes });
  const recordings = createRecordingService({ ...needs.recordings, rights, watching });
  router.service(RecordingService, recordings);
  router.service(TargetService, createTargetService(targets, needs));
  router.service(CommandService, createCommandService({ ...needs, labelsOf, elsewhere: needs.recordings.elsewhere }));
  router.service(LockService, createLockService({ ...needs, findTarget }), { readMaxBytes: maxSmallBytes });
  router.service(AccessService, createAccessService(needs), { readMaxBytes: maxSmallBytes });
  const audit = createAuditService({ audit: needs.audit, index: needs.auditIndex, clock });
  router.service(AuditService, audit);
  assertEveryMethodHasARow(router.handlers.map((handler) => handler.requestPath));
  return { router, guard, streams: createStreamMethods(sessions, recordings, audit) };
}
