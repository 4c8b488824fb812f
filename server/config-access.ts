/** The part of the config file about who may do what: its schema, and the rules made of it. */
import { z } from "zod";
import { actionWordNames, actionWords } from "./access/built-in-rules.ts";
import { type Action, type Rule, roleNames } from "./access/policy.ts";

export const principalName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$/, "letters, digits and . _ @ -, at most 100");
const actionList = z.array(z.enum(actionWordNames)).min(1);
const labelValue = z.string().max(200);

/** One entry of `policies`. */
export const policySchema = z
  .strictObject({
    name: z.string().min(1).max(100),
    /** What it allows, or what it denies: a denying one wins. */
    allow: actionList.optional(),
    deny: actionList.optional(),
    /** For who has one of these; without it, for whoever has a role. */
    roles: z.array(z.enum(roleNames)).min(1).optional(),
    users: z.array(principalName).min(1).optional(),
    whose: z.enum(["own", "others", "any"]).default("any"),
    /** `*` stands for any letters. */
    targets: z.array(z.string().min(1).max(200)).min(1).optional(),
    /** Every one of them; of several values, any; "*": whatever it is. */
    labels: z.record(z.string().max(100), z.union([labelValue, z.array(labelValue).min(1)])).optional(),
  })
  .superRefine(({ allow, deny, whose, targets, labels }, context) => {
    if ((allow === undefined) === (deny === undefined))
      context.addIssue({ code: "custom", message: "a policy has either allow or deny" });
    const narrow = whose !== "any" || targets !== undefined || labels !== undefined;
    if (narrow && allow?.includes("audit"))
      context.addIssue({
        ...{ code: "custom", path: ["allow"] },
        message: "the audit log is about everything: audit goes without whose, targets and labels",
      });
  });
export type PolicyConfig = z.output<typeof policySchema>;

/** The written rules, in the order of the file. */
export function rulesOf(policies: readonly PolicyConfig[]): Rule[] {
  return policies.map(({ name, allow, deny, roles, users, whose, targets, labels }) => {
    const about = (words: readonly (keyof typeof actionWords)[], part: "gives" | "takes"): ReadonlySet<Action> =>
      new Set(words.flatMap((word): readonly Action[] => actionWords[word][part]));
    return {
      ...{ name, roles, users, whose, targets, labels },
      effect: allow === undefined ? "deny" : "allow",
      actions: allow === undefined ? about(deny ?? [], "takes") : about(allow, "gives"),
    };
  });
}

const seconds = z
  .number()
  .min(0)
  .max(30 * 86_400);
const count = z.number().int().min(1).max(100_000);

/** Limits of one target or of one user; of several the strictest holds. */
export const limitsSchema = z.strictObject({
  /** At once. */
  sessions: count.optional(),
  /** Without a key; 0: no limit. */
  idleSeconds: seconds.optional(),
  /** In all; 0: no limit. */
  longestSeconds: seconds.optional(),
});

/** The limits of every session of the node. */
export const nodeLimitsSchema = z.strictObject({
  sessionsPerTarget: count.optional(),
  idleSeconds: seconds.default(0),
  longestSeconds: seconds.default(0),
  /** How long before its end a session is warned of it. */
  warnSeconds: seconds.default(60),
});

export const watchingSchema = z.strictObject({
  /** False: an operator is not told who watches him; or of those with this role alone. Auditors and admins always are. */
  visible: z
    .union([
      z.boolean(),
      z.strictObject({
        operator: z.boolean().default(true),
        auditor: z.boolean().default(true),
        admin: z.boolean().default(true),
      }),
    ])
    .default(true),
  /** Told to every operator before the first byte of his shell. */
  banner: z.string().min(1).max(2000).optional(),
});

export const locksSchema = z.strictObject({
  /** No session begins when the other nodes' locks were not heard of for so long; 0: best effort. */
  strictSeconds: seconds.default(0),
});
