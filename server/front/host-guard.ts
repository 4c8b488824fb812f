/** Which hosts and origins a request may name: asked before anything else reads the request (DNS rebinding, R51-R53). */

export interface HostGuard {
  /** True for a Host or :authority that names this server. Never throws, whatever the text. */
  readonly host: (value: string | undefined) => boolean;
  /** True without an Origin, or with one of this server's own. */
  readonly origin: (value: string | undefined) => boolean;
  /** True only with an Origin, and one of this server's own: browsers ask nobody before they open a WebSocket. */
  readonly ownOrigin: (value: string | undefined) => boolean;
  /** Of a browser's Sec-Fetch-Site: true for the server's own page, and for whoever sends none, which no browser does. */
  readonly site: (value: string | string[] | undefined) => boolean;
  /** True for a request that proves to be from this server's own page: only then a cookie says who calls. */
  readonly samePage: (headers: PageHeaders) => boolean;
}

export interface PageHeaders {
  readonly origin?: string | undefined;
  readonly "sec-fetch-site"?: string | string[] | undefined;
}

/** How the server itself is spoken to: a page of the other scheme is not its own, though it has its name and port. */
export interface Schemes {
  readonly http: boolean;
  readonly https: boolean;
}

/**
 * `names`: host names without port; `port`: where the server listens, by these `schemes`. `proxied`: they are answered as well
 * as they stand in front of a proxy at the usual ports; `urls`: further places at which clients reach it, by a balancer or a
 * proxy in front, each by its own scheme alone. Host is compared in lower case.
 */
export function createHostGuard(
  names: readonly string[],
  port: number,
  schemes: Schemes,
  proxied = false,
  urls: readonly string[] = [],
): HostGuard {
  const hosts = new Set<string>();
  const origins = new Set<string>();
  const usual = [80, 443];
  const add = (host: string, at: number) => {
    hosts.add(`${host}:${at}`);
    // A proxy in front has TLS, or hands on what came in clear as the server itself would take it.
    const spoken = at === port ? schemes : { http: schemes.http && at === 80, https: at === 443 };
    if (spoken.http) origins.add(`http://${host}${at === 80 ? "" : `:${at}`}`);
    if (spoken.https) origins.add(`https://${host}${at === 443 ? "" : `:${at}`}`);
  };
  for (const name of names) {
    const host = name.includes(":") && !name.startsWith("[") ? `[${name.toLowerCase()}]` : name.toLowerCase();
    for (const each of proxied ? [port, ...usual] : [port]) add(host, each);
    if (proxied || usual.includes(port)) hosts.add(host);
  }
  for (const url of urls) {
    const { host, hostname, protocol, port: given } = new URL(url);
    hosts.add(host);
    origins.add(`${protocol}//${host}`);
    if (given === "") hosts.add(`${hostname}:${protocol === "https:" ? 443 : 80}`);
  }
  const ownOrigin = (value: string | undefined) => {
    if (value === undefined) return false;
    const [, scheme = "", bare = ""] = /^(https?):\/\/(.+)$/.exec(value.toLowerCase()) ?? [];
    return origins.has(`${scheme}://${bare.replace(scheme === "https" ? /:443$/ : /:80$/, "")}`);
  };
  return {
    ownOrigin,
    host: (value) => value !== undefined && hosts.has(value.toLowerCase()),
    site: (value) => value === undefined || value === "same-origin",
    origin: (value) => value === undefined || ownOrigin(value),
    samePage(headers) {
      // Browsers set it by themselves, and no page can.
      const site = headers["sec-fetch-site"];
      return site === undefined ? ownOrigin(headers.origin) : site === "same-origin";
    },
  };
}
