/** What a caller is told of those who watch: all, or only of himself where the config hides watchers from operators. */
import { type Caller, mayEver } from "../access/policy.ts";
import type { Attached, SessionInfo, ViewItem } from "../events.ts";

/** One caller's sight of watchers, the same for as long as his call lasts. */
export interface Sight {
  /** False: some watchers may be kept from him, and numbers of them too. */
  readonly whole: boolean;
  /** The session without the watchers that are kept from him. */
  info(info: SessionInfo): SessionInfo;
  /** Whether this item of a view is for him. */
  tells(item: ViewItem): boolean;
}

/** `visible`: the config's `watching.visible`. Auditors and admins see every watcher whatever it says. */
export function sightOf(caller: Caller, visible: boolean): Sight {
  const whole = visible || mayEver(caller, "know-watchers");
  const knows = ({ role, who }: Attached) => whole || role === "operator" || who.name === caller.name;
  return {
    whole,
    info: (info) => (whole ? info : { ...info, attachments: info.attachments.filter(knows) }),
    tells: (item) => (item.kind !== "joined" && item.kind !== "left") || knows(item.who),
  };
}
