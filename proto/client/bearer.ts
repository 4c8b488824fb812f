/** Puts the caller's token on every call, as RFC 6750 section 2.1 has it. */

import type { Interceptor } from "@connectrpc/connect";

/** `token` may be a function: it is then asked at each call, so a renewed token is used by the next one. */
export function bearer(token: string | (() => string)): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${typeof token === "string" ? token : token()}`);
    return next(request);
  };
}
