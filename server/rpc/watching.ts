/** What a caller is told of those who watch: all, or only of himself where the config hides watchers from operators. */
import type { SessionInfo as SessionInfoMessage } from "../../proto/gen/bartizan/v1/session_pb.ts";
import type { Caller, Resource, RoleName } from "../access/policy.ts";
import { type Rights, resourceOf } from "../access/rights.ts";
import type { Attached, SessionInfo, ViewItem } from "../events.ts";
import { mayDo } from "./may.ts";
import { infoToWire } from "./wire.ts";

/** One caller's sight of the watchers of one session. */
export interface Sight {
  /** False: some watchers may be kept from him, and numbers of them too. */
  readonly whole: boolean;
  /** The session without the watchers that are kept from him. */
  info(info: SessionInfo): SessionInfo;
  /** Whether this item of a view is for him. */
  tells(item: ViewItem): boolean;
}

export interface Watching {
  sightOf(caller: Caller, resource: Resource): Sight;
  /** The session as he may see it. */
  seen(caller: Caller, info: SessionInfo): SessionInfo;
  /** As `seen`, with what he may do to it. */
  shown(caller: Caller, info: SessionInfo): SessionInfoMessage;
  /** Whether a watcher with the caller's roles is kept from operators. */
  hides(caller: Caller): boolean;
}

/** The config's `watching.visible`: of all watchers, or by what roles they have. */
export type Visible = boolean | Readonly<Record<RoleName, boolean>>;

/** Who may know watchers sees every one whatever `visible` says. */
export function createWatching(rights: Rights, visible: () => Visible): Watching {
  const sightOf = (caller: Caller, resource: Resource): Sight => {
    const shown = visible();
    const whole = allVisible(shown) || rights.may(caller, "know-watchers", resource);
    const knows = ({ role, who, hidden = false }: Attached) =>
      whole || role === "operator" || who.name === caller.name || (shown !== false && !hidden);
    return {
      whole,
      info: (info) => (whole ? info : { ...info, attachments: info.attachments.filter(knows) }),
      tells: (item) => (item.kind !== "joined" && item.kind !== "left") || knows(item.who),
    };
  };
  const hides = ({ roles }: Caller) => {
    const shown = visible();
    return typeof shown === "boolean" ? !shown : [...roles].some((role) => !shown[role]);
  };
  const seen = (caller: Caller, info: SessionInfo) => sightOf(caller, resourceOf(info)).info(info);
  const shown = (caller: Caller, info: SessionInfo) =>
    infoToWire(seen(caller, info), mayDo(rights, caller, "session", resourceOf(info)));
  return { sightOf, hides, seen, shown };
}

function allVisible(visible: Visible): boolean {
  return typeof visible === "boolean" ? visible : Object.values(visible).every(Boolean);
}
