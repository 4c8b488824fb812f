/** What the config allows a session of somebody on something: of the node's, the user's and the target's limits the strictest. */
import type { Config } from "./config.ts";

export interface SessionLimits {
  /** At once, of this user and on this target; Infinity: no limit. */
  readonly ofUser: number;
  readonly onTarget: number;
  /** Without a key, and in all; Infinity: no limit. */
  readonly idleMs: number;
  readonly longestMs: number;
  /** How long before the end it is warned of. */
  readonly warnMs: number;
}

export type LimitsConfig = Pick<Config, "limits" | "principals" | "targets" | "maxSessionsPerPrincipal">;

export function limitsOf(
  { limits, principals, targets, maxSessionsPerPrincipal }: LimitsConfig,
  user: string,
  target: string,
): SessionLimits {
  const ofUser = principals.find(({ name }) => name === user)?.limits ?? {};
  const ofTarget = targets.find(({ name }) => name === target)?.limits ?? {};
  const shortest = (key: "idleSeconds" | "longestSeconds") =>
    Math.min(...[limits[key], ofUser[key], ofTarget[key]].map((seconds = 0) => seconds || Number.POSITIVE_INFINITY));
  return {
    ofUser: ofUser.sessions ?? maxSessionsPerPrincipal,
    onTarget: ofTarget.sessions ?? limits.sessionsPerTarget ?? Number.POSITIVE_INFINITY,
    idleMs: shortest("idleSeconds") * 1000,
    longestMs: shortest("longestSeconds") * 1000,
    warnMs: limits.warnSeconds * 1000,
  };
}
