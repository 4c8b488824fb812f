/** Opens the exporters that the config names, and lets them run beside everything else. */
import { readFileSync } from "node:fs";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { openExportPlaces } from "./export-places.ts";
import { type Delivery, type RunExportNeeds, runExport } from "./export-runner.ts";
import type { AuditSettings } from "./export-settings.ts";
import { openSyslog } from "./syslog.ts";
import { openWebhook } from "./webhook.ts";

export interface OpenExportsNeeds {
  readonly settings: AuditSettings;
  /** Where the exporters keep their places. */
  readonly path: string;
  readonly audit: RunExportNeeds["audit"];
  readonly clock: Clock;
  readonly log: Log;
}

/** How long the end waits for the last lines to go. */
const lastWordMs = 3000;

/** Throws `config` for a file that cannot be read. Disposing lets what is noted go, for three seconds at most. */
export function openExports({ settings, path, audit, clock, log }: OpenExportsNeeds): AsyncDisposable {
  const { syslog, webhook } = settings;
  const deliveries: Delivery[] = [
    ...(syslog === undefined ? [] : [openSyslog({ ...syslog, ca: textOf(syslog.ca), clock })]),
    ...(webhook === undefined
      ? []
      : [
          openWebhook({
            url: webhook.url,
            secret: textOf(webhook.secretFile)?.trim() ?? "",
            ca: textOf(webhook.ca),
            clock,
          }),
        ]),
  ];
  const life = new AbortController();
  const places = openExportPlaces({ path, clock, log });
  const running = deliveries.map((delivery) => runExport({ audit, delivery, places, clock, log }, life.signal));
  const caughtUp = () => deliveries.every(({ name }) => (places.get(name) ?? 0) >= audit.lengthBytes);
  return {
    async [Symbol.asyncDispose]() {
      for (let waitedMs = 0; waitedMs < lastWordMs && !caughtUp(); waitedMs += 20)
        await new Promise<void>((resolve) => clock.after(20, resolve));
      life.abort();
      await Promise.all(running);
      for (const delivery of deliveries) await delivery[Symbol.asyncDispose]();
      await places[Symbol.asyncDispose]();
    },
  };
}

function textOf(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new BartizanFault("config", `Cannot read ${file} (${code}).`, "It is named in `audit` of the config.", error);
  }
}
