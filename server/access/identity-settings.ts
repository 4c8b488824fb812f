/** The config's `identity`: which provider people sign in with, what its claims give, and how long a sign-in lasts. */
import { z } from "zod";
import type { RoleName } from "./policy.ts";

const word = z.string().min(1).max(200);

const givenTo = z
  .strictObject({
    /** Values of the groups claim. */
    groups: z.array(word).default([]),
    /** Names, as the name claim gives them. */
    users: z.array(word).default([]),
  })
  .prefault({});

const loopbackUrl = /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(\/|$)/;

const oidcSchema = z.strictObject({
  issuer: z
    .string()
    .max(500)
    .refine(
      (text) => URL.canParse(text) && (text.startsWith("https://") || loopbackUrl.test(text)),
      "an https:// address",
    ),
  clientId: word,
  /** A path; without it the client is a public one, which PKCE alone protects. */
  clientSecretFile: z.string().min(1).optional(),
  /** How the page says where it signs in. */
  label: z.string().min(1).max(40).optional(),
  scopes: z.array(word).default(["openid", "profile", "email"]),
  idTokenAlgorithm: z.enum(["RS256", "PS256", "ES256", "EdDSA"]).default("RS256"),
  nameClaim: word.default("preferred_username"),
  groupsClaim: word.default("groups"),
  roles: z
    .strictObject({ operator: givenTo, auditor: givenTo, admin: givenTo } satisfies Record<RoleName, unknown>)
    .prefault({}),
  /** One of these has to be among the ways in which the provider says that he proved who he is (RFC 8176). */
  amr: z.array(word).default([]),
});

export const identitySchema = z
  .strictObject({
    oidc: oidcSchema.optional(),
    /** This server's address in browsers, when it is not https:// with the first of listen.names and the port. */
    url: z
      .string()
      .regex(/^https:\/\/[^/?#@]+$/, "https:// and a name, perhaps a port, nothing after it")
      .optional(),
    /** A sign-in of the page without a call or an open stream ends after this ... */
    idleMinutes: z.number().min(1).max(1440).default(15),
    /** ... and any after this. */
    signInHours: z.number().min(0.1).max(168).default(12),
    /** False: `bartizan login` is switched off. */
    login: z.boolean().default(true),
    /** What it gets lasts this long. */
    loginHours: z.number().min(0.1).max(720).default(12),
    /** For so long after his last sign-in somebody's API tokens have the roles that it gave him. */
    believeDays: z.number().min(1).max(366).default(30),
  })
  .prefault({});

export type IdentitySettings = z.output<typeof identitySchema>;
export type OidcSettings = NonNullable<IdentitySettings["oidc"]>;
