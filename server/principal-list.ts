/** The config's principals, and the local user with his token, as the access room takes them. */
import { roleNames } from "./access/policy.ts";
import type { PrincipalList } from "./access/principals.ts";
import { digestOf } from "./access/tokens.ts";
import type { Config } from "./config.ts";

export function principalList(
  config: Pick<Config, "user" | "principals" | "disabledUsers">,
  localToken: string,
): PrincipalList {
  return {
    local: { name: config.user, digest: digestOf(localToken), roles: roleNames },
    principals: config.principals,
    disabledUsers: config.disabledUsers,
  };
}
