/** What the launcher and the set-up share, for TypeScript callers. */
export function handOver(program: string, args: readonly string[], options?: object): void;
export const serverFlags: readonly string[];
