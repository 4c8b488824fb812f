/** What is no fault in a config, but hardly meant: policies for users and targets that there are not. */
import { isAbout } from "./access/policy.ts";
import type { Config } from "./config.ts";
import { printable } from "./flow/printable.ts";

/** A sentence each, for people. `targets`: all that there are. */
export function configWarnings(config: Config, targets: readonly Parameters<typeof isAbout>[1][]): string[] {
  const names = new Set([config.user, ...config.disabledUsers, ...config.principals.map(({ name }) => name)]);
  return config.policies.flatMap((policy) => {
    const says = `the policy "${printable(policy.name)}" is for`;
    // Whom a provider signs in is known only then.
    const strangers = config.identity.oidc === undefined ? (policy.users ?? []).filter((user) => !names.has(user)) : [];
    const narrow = policy.targets !== undefined || policy.labels !== undefined;
    return [
      ...strangers.map((user) => `${says} ${printable(user)}, who is no principal`),
      ...(narrow && !targets.some((target) => isAbout(policy, target)) ? [`${says} targets that there are not`] : []),
    ];
  });
}
