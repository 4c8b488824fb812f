/** Builds every part by hand, in order, and disposes of them in reverse. What `serve` and the tests start. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createLoginMeter } from "./access/login-meter.ts";
import { type Caller, type RoleName, roleNames } from "./access/policy.ts";
import { callerOf, digestOf, localToken, type TokenEntry } from "./access/tokens.ts";
import { openAudit } from "./audit.ts";
import { openCommandPool } from "./commands/command-pool.ts";
import { openCommandStore } from "./commands/command-store.ts";
import { type Config, isLoopback } from "./config.ts";
import { BartizanFault } from "./errors.ts";
import { type Clock, systemClock } from "./flow/clock.ts";
import { createAdapter } from "./front/adapter.ts";
import { createHealth } from "./front/health.ts";
import { createHostGuard } from "./front/host-guard.ts";
import { type ListenOptions, listen } from "./front/listen.ts";
import { readPage } from "./front/page.ts";
import { createWsBridge } from "./front/ws-bridge.ts";
import type { GroupBus } from "./group/bus.ts";
import { type Group, openGroup } from "./group/group.ts";
import { readGroupKeys } from "./group/group-keys.ts";
import { createGroupMeter } from "./group/meter.ts";
import { createNames, createNodeId, type NodeId } from "./group/names.ts";
import { openRedisBus } from "./group/redis-bus.ts";
import { type Timing, timing } from "./group/timing.ts";
import type { Log } from "./log.ts";
import { openMetrics } from "./open-metrics.ts";
import type { Catalogue } from "./recording/catalogue.ts";
import { type Disk, realDisk } from "./recording/disk.ts";
import { createErase } from "./recording/erase.ts";
import { type Keeper, openKeeper } from "./recording/keeper.ts";
import { openRecordings } from "./recording/open-recordings.ts";
import { keyRing } from "./recording/public-key.ts";
import { openReplays } from "./recording/replays.ts";
import type { GroupWord } from "./rpc/access-service.ts";
import { createRoutes, maxMessageBytes } from "./rpc/routes.ts";
import { blankKeyFrame } from "./session/key-frame.ts";
import { Registry } from "./session/registry.ts";
import { createScreen } from "./session/screen.ts";
import { openScreenPool } from "./session/screen-pool.ts";
import { sessionsOf } from "./session/sessions.ts";
import { createSignIn } from "./sign-in.ts";
import { lockFolder } from "./store/folder-lock.ts";
import { createSshDial } from "./target/ssh.ts";
import { type NativeCrypto, nativeCrypto } from "./target/ssh-library.ts";
import type { Dial, Target } from "./target/target.ts";

export interface BastionOptions {
  readonly config: Config;
  readonly log: Log;
  /** What shells can be opened on; asked anew at each call. */
  readonly targets: () => readonly Target[];
  readonly clock?: Clock;
  readonly dial?: Dial;
  /** Where the built page is; by default beside the program. */
  readonly pageFolder?: string;
  /** False: nothing is recorded, no commands are looked for. For benches that ask what that costs; no config can say so. */
  readonly recording?: false;
  /** Where recordings are written, for tests of sick disks. */
  readonly disk?: Disk;
  /** Joins this node to others by this bus instead of the config's Redis; for tests. The bus is given over. */
  readonly join?: { readonly bus: GroupBus; readonly keys: readonly Buffer[]; readonly timing?: Partial<Timing> };
  /** The limits of the front, for tests that reach them. */
  readonly limits?: Partial<ListenOptions>;
}

export interface Bastion extends AsyncDisposable {
  /** Base URL for clients on this machine. */
  readonly url: string;
  readonly port: number;
  /** Where the figures are read; undefined: nowhere. */
  readonly metricsUrl: string | undefined;
  /** The local token: every role. */
  readonly token: string;
  readonly nativeCrypto: NativeCrypto;
  readonly registry: Registry;
  readonly catalogue: Catalogue;
  /** Resolves when what a crash left of recordings is put right. */
  readonly reconciled: Promise<void>;
  /** Connections that clients have open. */
  connections(): number;
  /** The page's address with a code that signs the local user in, once, within two minutes. */
  createLink(): string;
  /**
   * Refuses new shells, tells everybody, waits for sessions to end until the signal aborts. It goes on listening: a balancer
   * must see that it is not ready, and those who watch and kick must reach the shells that are left.
   */
  drain(signal: AbortSignal): Promise<void>;
}

/** A connection without a sign of life for so long is asked for one. */
const pingMs = 15_000;

/** This package's version. */
export function version(): string {
  const require = createRequire(import.meta.url);
  for (const path of ["../package.json", "../../package.json"]) {
    try {
      return (require(path) as { version: string }).version;
    } catch {
      // Compiled code stands one folder deeper.
    }
  }
  return "unknown";
}

/** In a checkout the build stands in dist/web; compiled code stands in dist itself. */
function builtPage(): string {
  return fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../dist/web" : "../web", import.meta.url));
}

/** Throws `config` when it cannot start. Disposing ends every session and call, and resolves when all is closed. */
export async function openBastion(options: BastionOptions): Promise<Bastion> {
  const { config, log, targets, clock = systemClock } = options;
  const token = await localToken(config.tokenFile);
  const entries = tokenEntries(config, token);
  const localUser: Caller = { name: config.user, roles: new Set(roleNames) };
  const keys = options.join?.keys ?? (config.group.keyFile === undefined ? [] : readGroupKeys(config.group.keyFile));
  const tls = await readTls(config);
  const page = await readPage(options.pageFolder ?? builtPage());

  await using opening = new AsyncDisposableStack();
  opening.use(lockFolder(config.data));
  const audit = opening.use(openAudit(join(config.data, "audit.jsonl"), clock));
  let keeper: Keeper | undefined;
  const recordings = opening.use(
    await openRecordings({
      ...{ ...config.recording, data: config.data, clock, log, audit, disk: options.disk },
      onClosed: (id) => keeper?.closed(id),
    }),
  );
  const pool = opening.use(openScreenPool({ clock }));
  pool.warm();
  const commands = opening.use(openCommandStore({ path: join(config.data, "commands.db"), clock, log }));
  const commandPool = opening.use(
    openCommandPool({
      ...{ clock, log },
      onCommand({ sessionId, operator, target, openedAtMs, recordingId }, command, count) {
        const id = recordingId();
        if (id !== undefined) recordings.recorders.countCommands(id, count);
        commands.put({
          ...{ ...command, sessionId, operator, target },
          ...{ atMs: openedAtMs + command.startedMs, recordingId: id ?? "" },
        });
      },
    }),
  );
  const self = options.join === undefined && config.redis === undefined ? undefined : createNodeId(config.node);
  const registry = new Registry({
    ...{ clock, log, node: config.node, ...(self === undefined ? {} : { idPrefix: self }) },
    dial: options.dial ?? createSshDial(clock),
    screen: (size) => createScreen(pool, size),
    recorders: options.recording === false ? undefined : recordings.recorders,
    ...(options.recording === false ? {} : { openTap: commandPool.openTap }),
    onCommands: ({ recordingId }, count) => {
      if (recordingId !== undefined) recordings.recorders.countCommands(recordingId, count);
    },
    graceMs: config.graceSeconds * 1000,
    maxSessions: config.maxSessions,
    maxSessionsPerPrincipal: config.maxSessionsPerPrincipal,
  });
  const { catalogue, key, folder } = recordings;
  const replays = opening.use(
    openReplays({
      ...{ folder, log, blank: blankKeyFrame() },
      createScreen: (size) => createScreen(pool, size),
      running: (id) => catalogue.find(id)?.state === "live",
    }),
  );
  const erase = createErase({ folder, catalogue, forgetCommands: (sessionId) => commands.forget(sessionId) });
  keeper = opening.use(
    openKeeper({
      ...{ folder, catalogue, erase, audit, clock, log },
      retention: config.retention,
      after: recordings.reconciled,
    }),
  );
  const logins = createLoginMeter();
  const rolesOf = (name: string) => entries.find(({ caller }) => caller.name === name)?.caller.roles;
  const group = self === undefined ? undefined : opening.use(await joinGroup(options, self, keys, registry, clock));
  const signIn = opening.use(createSignIn({ clock, log, keys, rolesOf, group }));
  const alone: GroupWord = { bus: "memory", up: true, reason: "", warnings: [], nodes: [config.node] };
  const groupState = () => group?.state() ?? alone;
  const shutdown = new AbortController();
  const {
    router,
    streams,
    guard: authorise,
  } = createRoutes({
    ...{ registry, commands, clock, log, targets, nativeCrypto: nativeCrypto.available },
    recordings: {
      ...{ folder, catalogue, erase, replays, audit, clock, key, keyOf: keyRing([key.publicKey]) },
      watchersVisible: config.watching.visible,
    },
    ...{ signIn, logins, group: groupState, sessions: group?.sessions ?? sessionsOf(registry) },
    callerOf: (given, call) => callerOf(entries, given) ?? signIn.callerOf(given, call),
    linkUrl: (code) => linkUrl(code),
    graceMs: config.graceSeconds * 1000,
    watchersVisible: config.watching.visible,
    node: config.node,
    version: version(),
    shutdown: shutdown.signal,
  });
  const { host, port, names } = config.listen;
  const pages = createHealth({ draining: () => registry.draining, group: groupState });
  const front = opening.use(
    await listen(
      {
        ...{ host, port, maxConnections: 4096, maxUnauthenticated: 256, unauthenticatedMs: 10_000, pingMs },
        clearText: tls === undefined || isLoopback(host),
        ...(tls === undefined ? {} : { tls }),
        ...options.limits,
      },
      (bound) => {
        const known = isLoopback(host) ? ["127.0.0.1", "::1", "localhost"] : [host];
        const call = { guard: authorise, shutdown: shutdown.signal, maxMessageBytes, log, node: config.node };
        const guard = createHostGuard([...known, ...names], bound, placesOf(config));
        return {
          request: createAdapter({ ...{ router, streams, log, pages, page, guard }, direct: call }),
          upgrade: createWsBridge({ ...{ streams, call, guard, clock }, pingMs: options.limits?.pingMs ?? pingMs }),
        };
      },
      clock,
      log,
    ),
  );
  const disk = options.disk ?? realDisk;
  const metrics =
    config.metrics &&
    opening.use(
      await openMetrics(config.metrics.listen, log, {
        ...{ version: version(), node: config.node, nativeCrypto: nativeCrypto.available, clock, logins },
        ...{ sessions: registry, connections: front.connections, freeBytes: () => disk.freeBytes(folder) },
        reserveBytes: config.recording.reserveBytes,
        group,
      }),
    );
  // In reverse: sessions end and say so, then their calls end, then the sockets close, then the screens go.
  opening.defer(() => shutdown.abort(new BartizanFault("draining", "This node has stopped.")));
  opening.use(registry);

  const held = opening.move();
  const scheme = tls === undefined ? "http" : "https";
  const urlOf = (name: string) => `${scheme}://${name.includes(":") ? `[${name}]` : name}:${front.port}`;
  // Others know a server that listens wide by its names, and it answers to no others.
  const own = () => urlOf(isLoopback(host) ? host : (names[0] ?? host));
  const linkUrl = (code: string) => `${config.group.url ?? own()}/#code=${code}`;
  return {
    url: urlOf(host),
    port: front.port,
    metricsUrl: metrics?.url,
    createLink: () => linkUrl(signIn.createLink(localUser).code),
    ...{ token, nativeCrypto, registry, catalogue, reconciled: recordings.reconciled },
    connections: front.connections,
    drain: (signal) => registry.drain(signal),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Where clients reach this node by another address than its own. */
function placesOf({ group: { url, address } }: Config): string[] {
  return [url, address].filter((place) => place !== undefined);
}

async function joinGroup(
  { config, log, join: joined }: BastionOptions,
  self: NodeId,
  keys: readonly Buffer[],
  registry: Registry,
  clock: Clock,
): Promise<Group> {
  const meter = createGroupMeter(clock);
  const { redis, group } = config;
  const bus = joined?.bus ?? (redis && (await openRedisBus({ config: redis, name: self, clock, log, meter })));
  if (bus === undefined) throw new Error("a group needs a bus");
  return await openGroup({
    ...{ bus, keys, self, names: createNames(redis?.prefix ?? "bz"), registry, clock, log, meter },
    ...{ address: group.address ?? "", version: version(), dataFolder: config.data },
    strictMs: group.strictSeconds === undefined ? undefined : group.strictSeconds * 1000,
    timing: { ...timing, ...joined?.timing },
  });
}

function tokenEntries(config: Config, token: string): TokenEntry[] {
  const entry = (name: string, roles: readonly RoleName[], digest: Buffer): TokenEntry => {
    const caller: Caller = { name, roles: new Set(roles) };
    return { caller, digest };
  };
  return [
    entry(config.user, roleNames, digestOf(token)),
    ...config.principals.map(({ name, roles, tokenSha256 }) => entry(name, roles, Buffer.from(tokenSha256, "hex"))),
  ];
}

async function readTls(config: Config): Promise<{ cert: string; key: string } | undefined> {
  const files = config.listen.tls;
  if (files === undefined) return undefined;
  try {
    return { cert: await readFile(files.cert, "utf8"), key: await readFile(files.key, "utf8") };
  } catch (error) {
    const { path = "", code = "unknown error" } = error as NodeJS.ErrnoException;
    throw new BartizanFault("config", `Cannot read ${path} (${code}).`, "listen.tls needs two PEM files.", error);
  }
}
