/** Builds every part by hand, in order, and disposes of them in reverse. What `serve` and the tests start. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openAccessDb } from "./access/access-db.ts";
import { rulesFrom } from "./access/built-in-rules.ts";
import { createAccessChanges } from "./access/changes.ts";
import { type LocalLocks, openLocks } from "./access/locks.ts";
import { createLoginMeter } from "./access/login-meter.ts";
import { openIdentity } from "./access/open-identity.ts";
import { type Caller, roleNames } from "./access/policy.ts";
import { createPrincipals } from "./access/principals.ts";
import { createRights } from "./access/rights.ts";
import { createSignInNotes, tellIdentity } from "./access/sign-in-notes.ts";
import { openThrottle, type ThrottleLimits } from "./access/throttle.ts";
import { createThrottleFile } from "./access/throttle-file.ts";
import { localToken } from "./access/tokens.ts";
import { openAuditIndex } from "./audit/audit-index.ts";
import { loggedSeal } from "./audit/logged-seal.ts";
import { openAudit } from "./audit/open-audit.ts";
import { openExports } from "./audit/open-exports.ts";
import { configDigest, sessionEnded } from "./audit/server-notes.ts";
import type { Audit } from "./audit.ts";
import { type BusNotes, createBusNotes } from "./bus-notes.ts";
import { openCommandPool } from "./commands/command-pool.ts";
import { openCommandStore } from "./commands/command-store.ts";
import { type Config, isLoopback } from "./config.ts";
import { rulesOf } from "./config-access.ts";
import { BartizanFault } from "./errors.ts";
import { type Clock, systemClock } from "./flow/clock.ts";
import { createAdapter } from "./front/adapter.ts";
import { createAuthPages } from "./front/auth-pages.ts";
import { createHealth } from "./front/health.ts";
import { createHostGuard } from "./front/host-guard.ts";
import { type ListenOptions, listen, usualLimits } from "./front/listen.ts";
import { readPage } from "./front/page.ts";
import { createTrustedProxies } from "./front/trusted-proxies.ts";
import { createWsBridge } from "./front/ws-bridge.ts";
import type { GroupBus } from "./group/bus.ts";
import { type Group, openGroup } from "./group/group.ts";
import { readGroupKeys } from "./group/group-keys.ts";
import { createGroupMeter } from "./group/meter.ts";
import { createNames, createNodeId, type NodeId } from "./group/names.ts";
import { recordedElsewhere } from "./group/recorded-elsewhere.ts";
import { openRedisBus } from "./group/redis-bus.ts";
import { type Timing, timing } from "./group/timing.ts";
import { limitsOf } from "./limits.ts";
import type { Log } from "./log.ts";
import { openMetrics } from "./open-metrics.ts";
import { principalList } from "./principal-list.ts";
import type { Catalogue } from "./recording/catalogue.ts";
import { type Disk, realDisk } from "./recording/disk.ts";
import { createErase } from "./recording/erase.ts";
import { type Keeper, openKeeper } from "./recording/keeper.ts";
import { openRecordings } from "./recording/open-recordings.ts";
import { keyRing } from "./recording/public-key.ts";
import { openReplays } from "./recording/replays.ts";
import { openSealKey } from "./recording/seal-key.ts";
import { endShellsWithoutRight, type Reloaded, Reloading } from "./reload.ts";
import type { GroupWord } from "./rpc/access-service.ts";
import { createRoutes, maxMessageBytes } from "./rpc/routes.ts";
import { blankKeyFrame } from "./session/key-frame.ts";
import { openLimitWatch } from "./session/limit-watch.ts";
import { Registry } from "./session/registry.ts";
import { createScreen } from "./session/screen.ts";
import { openScreenPool } from "./session/screen-pool.ts";
import { sessionsOf } from "./session/sessions.ts";
import { createSignIn } from "./sign-in.ts";
import { lockFolder } from "./store/folder-lock.ts";
import { createAddressCheck } from "./target/address-check.ts";
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
  /** How many failed logins are taken, for tests that make many. */
  readonly throttle?: Partial<ThrottleLimits>;
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
  /** Takes a config that was read again; nothing of it can fail any more. */
  reload(config: Config): Reloaded;
  /** A config that was to be taken and is at fault: for the audit log. */
  refused(why: string): void;
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
  const changes = createAccessChanges();
  const rights = createRights(rulesFrom(rulesOf(config.policies)), changes);
  const principals = createPrincipals(principalList(config, token), changes);
  const localUser: Caller = { name: config.user, roles: new Set(roleNames), signedIn: "local-token" };
  const keys = options.join?.keys ?? (config.group.keyFile === undefined ? [] : readGroupKeys(config.group.keyFile));
  const tls = await readTls(config);
  const page = await readPage(options.pageFolder ?? builtPage());

  await using opening = new AsyncDisposableStack();
  opening.use(lockFolder(config.data));
  const key = openSealKey(config.data);
  const path = join(config.data, "audit.jsonl");
  const audit = opening.use(openAudit({ ...{ path, clock, log }, node: config.node, signer: key }));
  const auditIndex = opening.use(openAuditIndex({ path: join(config.data, "audit.db"), audit, clock, log }));
  opening.use(
    openExports({ settings: config.audit, path: join(config.data, "audit-exports.json"), audit, clock, log }),
  );
  const signIns = createSignInNotes(audit, clock);
  const accessDb = opening.adopt(openAccessDb(join(config.data, "access.db")), (db) => db.close());
  const ownLocks = openLocks(accessDb, clock, changes);
  const tell = tellIdentity(audit, signIns);
  const identity = openIdentity({
    ...{ settings: config.identity, principals, clock, log, tell, pageUrl: () => config.identity.url ?? linkBase() },
    database: accessDb,
  });
  opening.use(changes.onChange(({ why }) => why === "principals" && identity.apiTokens.forgetStrangers()));
  let keeper: Keeper | undefined;
  const recordings = opening.use(
    await openRecordings({
      ...{ ...config.recording, data: config.data, key, clock, log, audit, disk: options.disk },
      onClosed: (id) => keeper?.closed(id),
    }),
  );
  const throttle = opening.use(
    openThrottle(clock, createThrottleFile(join(config.data, "throttle.json"), clock, log), options.throttle),
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
  const ownPorts: number[] = [];
  const registry = new Registry({
    ...{ clock, log, node: config.node, ...(self === undefined ? {} : { idPrefix: self }) },
    dial: options.dial ?? createSshDial(clock, {}, { mayLeadTo: createAddressCheck(() => ownPorts) }),
    screen: (size) => createScreen(pool, size),
    recorders: options.recording === false ? undefined : recordings.recorders,
    ...(options.recording === false ? {} : { openTap: commandPool.openTap }),
    onCommands: ({ recordingId }, count) => {
      if (recordingId !== undefined) recordings.recorders.countCommands(recordingId, count);
    },
    onEnded: (info) => audit.note(sessionEnded(info)),
    graceMs: config.graceSeconds * 1000,
    maxSessions: config.maxSessions,
    atOnce: (user, target) => limits(user, target),
  });
  opening.use(endShellsWithoutRight({ changes, rights, principals, registry }));
  const limits = (user: string, target: string) => limitsOf(reloading.now, user, target);
  opening.use(openLimitWatch({ live: () => registry.live(), limitsOf: limits, audit, clock }));
  const reloading = new Reloading(config, { rights, principals, audit, log, token });
  const { catalogue, folder } = recordings;
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
  const linkMeter = createLoginMeter();
  const busNotes = opening.use(createBusNotes(audit, clock));
  const group =
    self === undefined
      ? undefined
      : opening.use(await joinGroup(options, self, { keys, registry, clock, locks: ownLocks, audit, busNotes }));
  // Once more, to be over before the group is: a bus that closes is not lost.
  opening.use(busNotes);
  const locks = group?.locks ?? ownLocks;
  const door = opening.use(createSignIn({ clock, log, keys, throttle, rolesOf: principals.rolesOf, group }));
  const alone: GroupWord = { bus: "memory", up: true, reason: "", warnings: [], nodes: [config.node] };
  const groupState = () => group?.state() ?? alone;
  const shutdown = new AbortController();
  const {
    router,
    streams,
    guard: authorise,
  } = createRoutes({
    ...{ registry, commands, audit, auditIndex, clock, log, targets, nativeCrypto: nativeCrypto.available },
    recordings: {
      ...{ folder, catalogue, erase, replays, audit, clock, key, keyOf: keyRing([key.publicKey]) },
      sealOf: (recording, signal) => loggedSeal(auditIndex, recording, signal),
      elsewhere: (id) => recordedElsewhere(id, config.node, group?.addressOf ?? (() => "")),
    },
    ...{ door, linkMeter, group: groupState, sessions: group?.sessions ?? sessionsOf(registry) },
    ...{ throttle, rights, changes, locks, rolesOf: principals.rolesOf, signIns },
    banner: () => reloading.now.watching.banner,
    ...{ ...identity, tell },
    credentialOf({ token: given, cookie, address, byItself }, call) {
      if (cookie !== undefined) return identity.byCookie(cookie, byItself ? undefined : call);
      if (given === undefined) return undefined;
      return principals.byToken(given) ?? door.credentialOf(given, call) ?? identity.byToken(given, address);
    },
    linkUrl: (code) => linkUrl(code),
    loginUrl: (code) => `${config.identity.url ?? linkBase()}/login#login=${code}`,
    graceMs: config.graceSeconds * 1000,
    watchersVisible: () => reloading.now.watching.visible,
    node: config.node,
    version: version(),
    shutdown: shutdown.signal,
  });
  const { host, port, names, trustedProxies = [] } = config.listen;
  const clearText = tls === undefined || isLoopback(host);
  const pages = createHealth({ draining: () => registry.draining, group: groupState });
  const front = opening.use(
    await listen(
      {
        ...{ host, port, pingMs, ...usualLimits },
        clearText,
        ...(tls === undefined ? {} : { tls }),
        ...options.limits,
      },
      (bound) => {
        ownPorts.push(bound);
        const known = isLoopback(host) ? ["127.0.0.1", "::1", "localhost"] : [host];
        const onCrossSite = (address: string) => signIns.crossSite(address);
        const call = { guard: authorise, shutdown: shutdown.signal, maxMessageBytes, log, node: config.node };
        const auth = createAuthPages(identity.signIn, log);
        const schemes = { http: clearText, https: tls !== undefined };
        const proxied = trustedProxies.length > 0;
        const guard = createHostGuard([...known, ...names], bound, schemes, proxied, placesOf(config));
        return {
          request: createAdapter({
            ...{ router, streams, clock, log, pages, page, auth, guard, onCrossSite },
            ...{ direct: call, onlyTls: tls !== undefined && !isLoopback(host) },
          }),
          upgrade: createWsBridge({
            ...{ streams, call, guard, clock, onCrossSite },
            pingMs: options.limits?.pingMs ?? pingMs,
          }),
        };
      },
      { clock, log, proxies: createTrustedProxies(trustedProxies) },
    ),
  );
  const disk = options.disk ?? realDisk;
  const metrics =
    config.metrics &&
    opening.use(
      await openMetrics(config.metrics.listen, log, {
        ...{ version: version(), node: config.node, nativeCrypto: nativeCrypto.available, clock, logins: linkMeter },
        ...{ sessions: registry, connections: front.connections, freeBytes: () => disk.freeBytes(folder) },
        reserveBytes: config.recording.reserveBytes,
        group,
      }),
    );
  if (metrics !== undefined) ownPorts.push(Number(new URL(metrics.url).port));
  // In reverse: sessions end and say so, then their calls end, then the sockets close, then the screens go.
  opening.defer(() => shutdown.abort(new BartizanFault("draining", "This node has stopped.")));
  opening.use(registry);

  audit.note({ event: "server-started", version: version(), config: configDigest(config) });
  const held = opening.move();
  const scheme = tls === undefined ? "http" : "https";
  const urlOf = (name: string) => `${scheme}://${name.includes(":") ? `[${name}]` : name}:${front.port}`;
  // Others know a server that listens wide by its names, and it answers to no others.
  const linkBase = () => urlOf(isLoopback(host) ? host : (names[0] ?? host));
  const linkUrl = (code: string) => `${config.identity.url ?? config.group.url ?? linkBase()}/#code=${code}`;
  return {
    url: urlOf(host),
    port: front.port,
    metricsUrl: metrics?.url,
    createLink() {
      audit.write({ event: "link-made", actor: { name: localUser.name, signedIn: localUser.signedIn } });
      return linkUrl(door.createLink(localUser).code);
    },
    ...{ token, nativeCrypto, registry, catalogue, reconciled: recordings.reconciled },
    connections: front.connections,
    async drain(signal) {
      audit.note({ event: "drain-started", sessions: registry.size });
      await registry.drain(signal);
      audit.note({ event: "drain-ended", sessions: registry.size });
    },
    refused: (why) => audit.note({ event: "config-refused", cause: why }),
    reload: (next) => reloading.take(next),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Where clients reach this node by another address than its own. */
function placesOf({ group: { url, address }, identity }: Config): string[] {
  return [url, address, identity.url].filter((place) => place !== undefined);
}

interface JoinNeeds {
  readonly keys: readonly Buffer[];
  readonly registry: Registry;
  readonly clock: Clock;
  readonly locks: LocalLocks;
  readonly audit: Audit;
  readonly busNotes: BusNotes;
}

async function joinGroup(
  { config, log, join: joined }: BastionOptions,
  self: NodeId,
  { keys, registry, clock, locks, audit, busNotes }: JoinNeeds,
): Promise<Group> {
  const meter = busNotes.metered(createGroupMeter(clock));
  const { redis, group } = config;
  const bus = joined?.bus ?? (redis && (await openRedisBus({ config: redis, name: self, clock, log, meter })));
  if (bus === undefined) throw new Error("a group needs a bus");
  busNotes.follow(bus);
  return await openGroup({
    ...{ bus, keys, self, names: createNames(redis?.prefix ?? "bz"), registry, clock, log, meter },
    ...{ address: group.address ?? "", version: version(), dataFolder: config.data },
    strictMs: group.strictSeconds === undefined ? undefined : group.strictSeconds * 1000,
    timing: { ...timing, ...joined?.timing },
    locks: { local: locks, strictMs: config.locks.strictSeconds * 1000, audit },
  });
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
