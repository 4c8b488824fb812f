/** Puts the caller's token on every call, as RFC 6750 section 2.1 has it. */

import type { Interceptor } from "@connectrpc/connect";

/**
 * `token` may be a function: it is then asked at each call, so a renewed token is used by the next one. Of an empty one
 * nothing is sent: the call then goes by what else it has, such as a page's cookie.
 */
export function bearer(token: string | (() => string)): Interceptor {
  return (next) => (request) => {
    const now = typeof token === "string" ? token : token();
    if (now !== "") request.header.set("authorization", `Bearer ${now}`);
    return next(request);
  };
}
