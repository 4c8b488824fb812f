/** What a caller is told of those who watch: all, or only of himself where the config hides watchers from operators. */
import type { Caller, Resource } from "../access/policy.ts";
import type { Rights } from "../access/rights.ts";
import { resourceOf } from "../access/rights.ts";
import type { Attached, SessionInfo, ViewItem } from "../events.ts";

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
}

/** `visible`: the config's `watching.visible`. Who may know watchers sees every one whatever it says. */
export function createWatching(rights: Rights, visible: boolean): Watching {
  const sightOf = (caller: Caller, resource: Resource): Sight => {
    const whole = visible || rights.may(caller, "know-watchers", resource);
    const knows = ({ role, who }: Attached) => whole || role === "operator" || who.name === caller.name;
    return {
      whole,
      info: (info) => (whole ? info : { ...info, attachments: info.attachments.filter(knows) }),
      tells: (item) => (item.kind !== "joined" && item.kind !== "left") || knows(item.who),
    };
  };
  return { sightOf, seen: (caller, info) => sightOf(caller, resourceOf(info)).info(info) };
}
