/** The one-time code of a link: out of the page's address, or out of what a person pasted. */

/** The code of `#code=...`, taken out of the address and the history before anything else happens with it. */
export function takeCode(): string | undefined {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (code === null) return undefined;
  history.replaceState(history.state, "", location.pathname + location.search);
  return code;
}

/** The code of a link as a person pastes it: the whole address, its fragment, or the code alone. */
export function codeOf(text: string): string | undefined {
  return /^(?:\S*#)?(?:code=)?([\w-]{20,200})$/.exec(text.trim())?.[1];
}
