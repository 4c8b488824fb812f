/** So many policies of a large place: all but the last are about somebody else, so that each question goes through all of them. */
import { type PolicyConfig, policySchema } from "../../server/config-access.ts";

export function manyPolicies(count: number): PolicyConfig[] {
  if (count === 0) return [];
  const team = (index: number) =>
    policySchema.parse({
      name: `team ${index}`,
      allow: ["open", "watch", "replay"],
      users: [`user-${index}`],
      targets: [`web-${index}-*`],
      labels: { team: `team-${index}` },
    });
  const everything = policySchema.parse({ name: "the rest", allow: ["all"], whose: "any" });
  return [...Array.from({ length: count - 1 }, (_, index) => team(index)), everything];
}
