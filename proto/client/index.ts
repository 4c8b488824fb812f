/** `bartizan/client`: the contract for other people's programs. Touches neither DOM nor Node; see docs/client.md. */

export type { SessionInfo } from "../gen/bartizan/v1/session_pb.ts";
export { KickOutcome, SessionState } from "../gen/bartizan/v1/session_pb.ts";
export type { SurvivalOptions } from "./attachment.ts";
export { bearer } from "./bearer.ts";
export {
  type AccessClient,
  type Clients,
  type CommandClient,
  createClients,
  type LockClient,
  type RecordingClient,
  type SessionClient,
  type TargetClient,
} from "./clients.ts";
export { type ElsewhereOptions, nodeOf } from "./elsewhere.ts";
export {
  type AttachmentEvent,
  type Beginning,
  type EndCause,
  endCause,
  type Size,
  type Stopped,
  stopped,
  type ViewEvent,
  type ViewPosition,
} from "./events.ts";
export { type CallFault, faultOf } from "./faults.ts";
export { createPlayer, type Player, type PlayerClock, type PlayerOptions, type PlayerState } from "./player.ts";
export { printable } from "./printable.ts";
export { openReplay, type ReplayEvent, type ReplayOptions } from "./replay.ts";
export { openShell, type Shell, type ShellOptions } from "./shell.ts";
export { openWatch, type WatchOptions } from "./watch.ts";
