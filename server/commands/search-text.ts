/** What people type into a search, as an FTS5 expression: nothing of it is ever read as FTS5 syntax. */

const maxWords = 20;

/**
 * Words are beginnings of words, "in double quotes" they stand next to each other. Undefined: there is nothing to search
 * for in it. Every word goes quoted into FTS5, where a quote is doubled; a word without letter or digit has no token.
 */
export function searchExpression(text: string): string | undefined {
  const parts = [...text.matchAll(/"([^"]*)"?|[^\s"]+/g)].flatMap(([whole, phrase]) => {
    const words = phrase ?? whole;
    if (!/[\p{L}\p{N}\p{Co}]/u.test(words)) return [];
    const quoted = `"${words.replaceAll('"', '""').replaceAll("\0", " ")}"`;
    return [phrase === undefined ? `${quoted} *` : quoted];
  });
  return parts.length === 0
    ? undefined
    : parts
        .slice(0, maxWords)
        .map((part) => `text : ${part}`)
        .join(" AND ");
}

/** A name as one short word of the index; a few names share one, so the names are compared as well. */
export function nameToken(kind: "o" | "t", name: string): string {
  let hash = 0x811c9dc5; // FNV-1a
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return kind + ((hash >>> 0) % 36 ** 3).toString(36);
}
