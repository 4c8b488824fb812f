/** The part of the config file about sending the audit log elsewhere: its schema. */
import { z } from "zod";

const loopbackHosts = ["127.0.0.1", "[::1]", "localhost"];

const syslogAddress = z
  .string()
  .max(300)
  .regex(
    /^(udp|tcp|tls):\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*):\d{1,5}$/,
    "udp://, tcp:// or tls://HOST:PORT",
  )
  .refine((address) => Number(address.split(":").at(-1)) <= 65_535, "no such port");

const webhookUrl = z
  .string()
  .max(1000)
  .refine((text) => {
    const url = URL.parse(text);
    if (url === null || url.username !== "" || url.password !== "" || url.hash !== "") return false;
    return url.protocol === "https:" || (url.protocol === "http:" && loopbackHosts.includes(url.hostname));
  }, "https://, without a password in it; http:// to this machine alone");

export const auditSchema = z.strictObject({
  syslog: z
    .strictObject({
      address: syslogAddress,
      /** For tls: a file with the certificates to trust; else the system's. */
      ca: z.string().min(1).optional(),
      facility: z.number().int().min(0).max(23).default(13),
    })
    .optional(),
  webhook: z
    .strictObject({
      url: webhookUrl,
      /** A file with the secret that signs each batch. */
      secretFile: z.string().min(1),
      ca: z.string().min(1).optional(),
    })
    .optional(),
});

export type AuditSettings = z.output<typeof auditSchema>;
