/** What the page's address brings in its fragment: a link's one-time code, how a sign-in by the provider went, a login's code. */

/** Why the way to the identity provider and back let nobody in. */
export type SignInFailure = "refused" | "provider-down" | "too-often";

const outcomes: Readonly<Record<string, "done" | SignInFailure>> = {
  done: "done",
  refused: "refused",
  unreachable: "provider-down",
  limit: "too-often",
};

/** The code of `#code=...`, taken out of the address and the history before anything else happens with it. */
export function takeCode(): string | undefined {
  return take("code");
}

/** How the way to the identity provider and back went, taken out as the code is; undefined: the page came another way. */
export function takeSignIn(): "done" | SignInFailure | undefined {
  const outcome = take("sign-in");
  return outcome === undefined ? undefined : (outcomes[outcome] ?? "refused");
}

const loginKey = "bartizan.login";

/** Keeps the code of a login that waits to be allowed, out of the address, over a sign-in: `#login=ABCD-EFGH`. */
export function keepLoginCode(): void {
  const code = take("login");
  if (code !== undefined) sessionStorage.setItem(loginKey, code.slice(0, 20));
}

/** The kept code, once. */
export function takeLoginCode(): string {
  const code = sessionStorage.getItem(loginKey) ?? "";
  sessionStorage.removeItem(loginKey);
  return code;
}

function take(what: string): string | undefined {
  const value = new URLSearchParams(location.hash.slice(1)).get(what);
  if (value === null) return undefined;
  history.replaceState(history.state, "", location.pathname + location.search);
  return value;
}

/** The code of a link as a person pastes it: the whole address, its fragment, or the code alone. */
export function codeOf(text: string): string | undefined {
  return /^(?:\S*#)?(?:code=)?([\w-]{20,200})$/.exec(text.trim())?.[1];
}
