/** A whole bastion for one test: port 0, its own folder, and a failure when the test leaves something behind. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bearer, type Clients, createClients } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import type { RoleName } from "../../server/access/policy.ts";
import { digestOf } from "../../server/access/tokens.ts";
import { type Bastion, type BastionOptions, openBastion } from "../../server/bastion.ts";
import { type Config, parseConfig, readConfig } from "../../server/config.ts";
import { createLog } from "../../server/log.ts";
import type { Target } from "../../server/target/target.ts";
import { createCountingClock } from "./counting-clock.ts";
import { createPageTransport } from "./page-transport.ts";
import { until } from "./until.ts";

/** Every promise about streams holds over both. */
export const carriers = ["HTTP/2", "WebSocket"] as const;
export type Over = (typeof carriers)[number];

export interface TestBastionOptions extends Partial<Omit<BastionOptions, "config" | "targets">> {
  readonly targets?: readonly Target[];
  readonly config?: Partial<Omit<Config, "recording">> & { readonly recording?: Partial<Config["recording"]> };
  /** What the clients' calls are carried by; "WebSocket" is the page's way, with fetch for unary calls. Default HTTP/2. */
  readonly over?: Over;
  /** Further principals by name; each gets the token "token-NAME". */
  readonly principals?: Readonly<Record<string, readonly RoleName[]>>;
}

export interface TestBastion extends AsyncDisposable, Omit<Bastion, typeof Symbol.asyncDispose> {
  /** Clients with the local token, or the token given, on a connection of their own, closed with the bastion. */
  clients(token?: string): Clients;
  readonly folder: string;
  /** What it was started with, for `reload`. */
  readonly config: Config;
}

/** Disposing fails when a session is live that no test ended, a connection is left, or a timer is never given back. */
export async function openTestBastion(options: TestBastionOptions = {}): Promise<TestBastion> {
  const folder = await mkdtemp(join(tmpdir(), "bartizan-test-"));
  const { targets = [], principals = {}, config: changes = {}, over = "HTTP/2", clock: base, ...rest } = options;
  const usual = readConfig(undefined, { HOME: folder, XDG_STATE_HOME: join(folder, "state") });
  const config: Config = {
    ...usual,
    listen: { host: "127.0.0.1", port: 0, names: [] },
    node: "test",
    principals: Object.entries(principals).map(([name, roles]) => ({
      name,
      roles: [...roles],
      tokenSha256: digestOf(`token-${name}`).toString("hex"),
    })),
    ...changes,
    recording: { ...usual.recording, ...changes.recording },
  };
  const clock = createCountingClock(base);
  const bastion = await openBastion({
    clock,
    log: createLog(process.env.BARTIZAN_TEST_LOG === undefined ? "silent" : "debug"),
    ...rest,
    config,
    targets: () => targets,
  });
  const transports: Disposable[] = [];
  // On loopback the same port answers in clear text, where no certificate has to be known.
  const clear = config.listen.host === "127.0.0.1" ? bastion.url.replace("https:", "http:") : bastion.url;
  return {
    ...bastion,
    ...{ folder, config },
    clients(token = bastion.token) {
      const transport =
        over === "WebSocket"
          ? createPageTransport(clear, token)
          : createNodeTransport({ baseUrl: clear, interceptors: [bearer(token)] });
      transports.push(transport);
      return createClients(transport);
    },
    async [Symbol.asyncDispose]() {
      try {
        const live = bastion.registry.list().filter(({ state }) => state !== "ended");
        const left = live.map(({ id, state }) => `${id} (${state})`);
        for (const transport of transports) transport[Symbol.dispose]();
        await until(() => bastion.connections() === 0, `no connection is left; ${bastion.connections()} are`);
        await bastion[Symbol.asyncDispose]();
        await until(() => bastion.registry.size === 0, "the registry is empty");
        await until(() => clock.pending === 0, `every timer is given back; ${clock.pending} are not`);
        if (left.length > 0) throw new Error(`the test left sessions behind: ${left.join(", ")}`);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

/** The parsed text of a config, or a throw with its problems. */
export function configOf(text: string): object {
  const parsed = parseConfig(text);
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.file;
}
