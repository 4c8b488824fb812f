/** Waits for a condition, never for a time. */

/** Resolves when `condition` is true (or gives a value); throws with `what` when it is not within `limitMs`. */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: string,
  limitMs = 30_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== undefined && value !== null) return value as NonNullable<Exclude<T, false>>;
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
