/** The typed clients of the contract, over any Connect transport. */

import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { AccessService } from "../gen/bartizan/v1/access_pb.ts";
import { AuditService } from "../gen/bartizan/v1/audit_pb.ts";
import { LockService } from "../gen/bartizan/v1/lock_pb.ts";
import { CommandService, RecordingService } from "../gen/bartizan/v1/recording_pb.ts";
import { SessionService } from "../gen/bartizan/v1/session_pb.ts";
import { TargetService } from "../gen/bartizan/v1/target_pb.ts";

export type SessionClient = Client<typeof SessionService>;
export type TargetClient = Client<typeof TargetService>;
export type AccessClient = Client<typeof AccessService>;
export type RecordingClient = Client<typeof RecordingService>;
export type LockClient = Client<typeof LockService>;
export type CommandClient = Client<typeof CommandService>;
export type AuditClient = Client<typeof AuditService>;

export interface Clients {
  readonly sessions: SessionClient;
  readonly targets: TargetClient;
  readonly access: AccessClient;
  readonly recordings: RecordingClient;
  readonly commands: CommandClient;
  readonly locks: LockClient;
  readonly audit: AuditClient;
}

/** The clients share the transport, so one connection carries all their calls. Opens nothing by itself. */
export function createClients(transport: Transport): Clients {
  return {
    sessions: createClient(SessionService, transport),
    targets: createClient(TargetService, transport),
    access: createClient(AccessService, transport),
    recordings: createClient(RecordingService, transport),
    commands: createClient(CommandService, transport),
    locks: createClient(LockService, transport),
    audit: createClient(AuditService, transport),
  };
}
