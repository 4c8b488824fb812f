/** What every answer says to a browser: nothing foreign is loaded, framed, sniffed, referred to or shared (R55). */

/** Style elements are what xterm.js and Mantine write; they cannot be given a nonce. Everything else is files of ours. */
const contentPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types default",
].join("; ");

const everywhere = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
} as const;

export const pageHeaders: Readonly<Record<string, string>> = {
  ...everywhere,
  "content-security-policy": contentPolicy,
};

/** Answers of calls, probes and refusals: no document, and nothing to keep. */
export const callHeaders: Readonly<Record<string, string>> = {
  ...everywhere,
  "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
};

/** A year; the names below it are not ours to speak for. */
export const strictTransport = ["strict-transport-security", "max-age=31536000"] as const;
