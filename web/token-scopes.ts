/** What the page offers a token to be for: names for sets of the policy's actions. */

export const tokenScopes = {
  all: [],
  look: ["list-targets", "see-target", "list-sessions", "see", "watch", "know-watchers"],
  recordings: ["list-recordings", "replay", "verify", "export", "recording-key"],
  lists: ["list-targets", "see-target", "list-sessions", "see"],
} as const satisfies Readonly<Record<string, readonly string[]>>;
export type TokenScopeName = keyof typeof tokenScopes;
export const tokenScopeNames = Object.keys(tokenScopes) as TokenScopeName[];
