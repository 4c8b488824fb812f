/** The cookies of this server: names and flags in one place, and how one is read out of a request. */

/** A sign-in of the page. Never sent by a browser with a request that another site caused. */
export const signInCookie = "__Host-bartizan";
/** Who is away at the identity provider: has to come back with the redirect from there, which another site causes. */
export const awayCookie = "__Host-bartizan-away";

/** `Set-Cookie` for a cookie that ends with the browser, or with its server side. */
export function settingCookie(name: string, value: string): string {
  return `${name}=${value}; ${flagsOf(name)}`;
}

/** `Set-Cookie` that takes it away. */
export function clearingCookie(name: string): string {
  return `${name}=; Max-Age=0; ${flagsOf(name)}`;
}

/** Its value; undefined without it, for one that is none of ours, and for several of the name. */
export function cookieOf(header: string | undefined, name: string): string | undefined {
  const values = (header ?? "")
    .split(";")
    .map((each) => each.trim())
    .filter((each) => each.startsWith(`${name}=`))
    .map((each) => each.slice(name.length + 1));
  const [value = ""] = values;
  return values.length === 1 && /^[A-Za-z0-9_-]{43}$/.test(value) ? value : undefined;
}

/** `__Host-` (RFC 6265bis, 4.1.3.2): no other host, no plain HTTP and no path can have set it. */
function flagsOf(name: string): string {
  return `Path=/; Secure; HttpOnly; SameSite=${name === awayCookie ? "Lax" : "Strict"}`;
}
