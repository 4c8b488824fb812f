/** Which hosts and origins a request may name: asked before anything else reads the request (DNS rebinding, R51-R53). */

export interface HostGuard {
  /** True for a Host or :authority that names this server. Never throws, whatever the text. */
  readonly host: (value: string | undefined) => boolean;
  /** True without an Origin, or with one of this server's own. */
  readonly origin: (value: string | undefined) => boolean;
}

/** `names`: host names without port; `port`: where the server listens. Host is compared in lower case. */
export function createHostGuard(names: readonly string[], port: number): HostGuard {
  const hosts = new Set<string>();
  for (const name of names) {
    const host = name.includes(":") && !name.startsWith("[") ? `[${name.toLowerCase()}]` : name.toLowerCase();
    hosts.add(`${host}:${port}`);
    if (port === 80 || port === 443) hosts.add(host);
  }
  return {
    host: (value) => value !== undefined && hosts.has(value.toLowerCase()),
    origin: (value) => {
      if (value === undefined) return true;
      const bare = /^https?:\/\/(.+)$/.exec(value.toLowerCase())?.[1];
      return bare !== undefined && hosts.has(bare);
    },
  };
}
