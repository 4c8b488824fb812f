/** The one door to the Redis client: one connection that is watched, and never queues, resends or hangs. */
import { randomInt } from "node:crypto";
import { Redis, type RedisOptions, SentinelConnector } from "ioredis";
import type { Clock } from "../flow/clock.ts";
import { sentence } from "../flow/sentence.ts";
import type { Log } from "../log.ts";
import { BusDown } from "./bus.ts";
import type { GroupMeter, ReconnectCause } from "./meter.ts";

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** A user of Redis or of sentinels. The password is asked for at every connection: it may change. */
export interface RedisLogin {
  readonly username?: string | undefined;
  password(): string | undefined;
  readonly tls?: RedisOptions["tls"];
}

/** One server, or the one that the sentinels call master at the moment. */
export type RedisPlace =
  | (RedisAddress & { readonly kind: "server"; readonly database?: number })
  | { readonly kind: "sentinels"; readonly master: string; readonly nodes: readonly RedisAddress[]; login: RedisLogin };

export type RedisCommand = readonly [name: string, ...(string | number | Uint8Array)[]];
/** An `Error` is an answer of the server, in the place of another. */
export type RedisReply = Buffer | string | number | boolean | null | Error | RedisReply[];

export interface RedisLinkNeeds {
  readonly place: RedisPlace;
  readonly login: RedisLogin;
  /** How the server's CLIENT LIST calls it. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: GroupMeter;
  /** Commands are taken from now on. */
  onReady(): void;
  /** Not any more; a line for people. Comes again, with another line, while it cannot connect. */
  onDown(reason: string): void;
  onMessage?(channel: string, message: Uint8Array): void;
  /** A sharded channel has left this server. */
  onMoved?(): void;
}

/** Connects by itself, again and again, until disposed. Events never come from within a call. */
export interface RedisLink extends AsyncDisposable {
  readonly ready: boolean;
  /** Counts the connections; each is another one to the server. */
  readonly generation: number;
  /** Bytes of commands that the server has not answered. */
  readonly pendingBytes: number;
  /** The address at the other end; empty without a connection. */
  readonly peer: string;
  /** All commands of one tick go in one write. Rejects with `BusDown` at once without a connection, and after 1.8 s. */
  send(...commands: readonly RedisCommand[]): Promise<RedisReply[]>;
  /** Gives this connection up and makes another. */
  drop(reason: string, cause: ReconnectCause): void;
  /** All is well: after the next failure it connects anew at once. */
  settle(): void;
}

const pingEveryMs = 500;
const pongWithinMs = 1000;
const handshakeWithinMs = 1500;
const answerWithinMs = 1800;

interface Waiting {
  readonly commands: readonly RedisCommand[];
  resolve(replies: RedisReply[]): void;
  reject(error: BusDown): void;
}

export function openRedisLink(needs: RedisLinkNeeds): RedisLink {
  const { login, clock, meter } = needs;
  let attempts = 0;
  let generation = 0;
  let ready = false;
  let closed = false;
  /** Why there is no connection, for people. */
  let ailment = "Redis has not been reached yet.";
  let statusSinceMs = clock.monotonicMs();
  let reviving: Disposable | undefined;
  const retryMs = () => {
    const steady = Math.min(500, 50 * 2 ** Math.min(attempts, 4));
    attempts += 1;
    return Math.round(steady * (0.75 + randomInt(0, 500) / 1000));
  };
  const blame = (error: Error) => {
    // What a full server says is lost when it closes the connection in the same moment.
    const atOnce = !ready && /^(EPIPE|ECONNRESET)$/.test((error as NodeJS.ErrnoException).code ?? "");
    ailment = atOnce
      ? `Redis closes connections at once (${error.message}): perhaps it has all the clients it takes (maxclients).`
      : sentence(`Redis cannot be reached: ${error.message}`);
  };
  const options = optionsOf(needs, blame);
  options.retryStrategy = () => {
    Object.assign(redis.options, passwordOf(login));
    return retryMs();
  };
  const redis = new Redis({ ...options, replyMapping: "legacy" });

  function down(reason: string, cause: ReconnectCause): void {
    if (closed) return;
    if (ready) meter.reconnected(cause);
    ready = false;
    needs.onDown(reason);
  }

  function drop(reason: string, cause: ReconnectCause): void {
    if (closed) return;
    ailment = reason;
    down(reason, cause);
    redis.disconnect(true);
  }

  redis.on("error", blame);
  for (const status of ["connect", "close", "reconnecting"])
    redis.on(status, () => {
      statusSinceMs = clock.monotonicMs();
    });
  redis.on("ready", () => {
    if (closed) return;
    // Asked of the socket itself: settings of a client library are no proof of what it did with them.
    if (login.tls !== undefined && (redis.stream as { encrypted?: boolean }).encrypted !== true) {
      drop("The connection to Redis is not encrypted, and it has to be.", "error");
      return;
    }
    generation += 1;
    ready = true;
    ailment = "Redis has closed the connection.";
    needs.onReady();
  });
  redis.on("close", () => down(ailment, "error"));
  redis.on("end", () => {
    // It gives up by itself when it was interrupted while it asked sentinels.
    if (closed) return;
    reviving?.[Symbol.dispose]();
    reviving = clock.after(retryMs(), connect);
  });
  if (needs.onMessage !== undefined)
    for (const event of ["messageBuffer", "smessageBuffer"])
      redis.on(event, (channel: Buffer, message: Buffer) => needs.onMessage?.(channel.toString("latin1"), message));
  redis.on("moved", () => needs.onMoved?.());

  function connect(): void {
    // What went wrong is told by the events.
    redis.connect().catch(() => {});
  }

  let batch: Waiting[] = [];
  let pendingBytes = 0;

  function send(...commands: readonly RedisCommand[]): Promise<RedisReply[]> {
    return new Promise((resolve, reject) => {
      if (!ready) reject(new BusDown(ailment));
      else if (batch.push({ commands, resolve, reject }) === 1) setImmediate(flush);
      if (ready) pendingBytes += bytesOf(commands);
    });
  }

  function flush(): void {
    const sent = batch;
    batch = [];
    const bytes = sent.reduce((sum, { commands }) => sum + bytesOf(commands), 0);
    const refuse = (reason: string) => {
      for (const { reject } of sent) reject(new BusDown(reason));
    };
    const pipeline = redis.pipeline();
    for (const { commands } of sent)
      for (const [name, ...args] of commands) pipeline.callBuffer(name, ...args.map(argumentOf));
    const limit = clock.after(answerWithinMs, () => refuse("Redis does not answer."));
    const settled = () => {
      limit[Symbol.dispose]();
      pendingBytes -= bytes;
    };
    pipeline.exec().then(
      (results) => {
        settled();
        let at = 0;
        for (const { commands, resolve, reject } of sent) {
          const mine = (results ?? []).slice(at, at + commands.length);
          at += commands.length;
          const broken = mine.find(([error]) => error !== null && error.name !== "ReplyError");
          if (broken === undefined) resolve(mine.map(([error, value]) => error ?? (value as RedisReply)));
          else reject(new BusDown(sentence(`Redis cannot be reached: ${broken[0]?.message}`)));
        }
      },
      (error: Error) => {
        settled();
        refuse(sentence(`Redis cannot be reached: ${error.message}`));
      },
    );
  }

  let pingSinceMs: number | undefined;
  let tickedAtMs = clock.monotonicMs();
  const watchdog = clock.every(pingEveryMs, () => {
    const nowMs = clock.monotonicMs();
    // This process itself stood still: what has come meanwhile is not read yet.
    const stalled = nowMs - tickedAtMs > 2 * pingEveryMs;
    tickedAtMs = nowMs;
    if (stalled) {
      pingSinceMs = pingSinceMs === undefined ? undefined : nowMs;
      statusSinceMs = nowMs;
      return;
    }
    if (!ready) {
      pingSinceMs = undefined;
      if (redis.status === "connect" && nowMs - statusSinceMs > handshakeWithinMs) {
        statusSinceMs = nowMs;
        drop("Redis takes connections and does not answer.", "ping");
      }
      return;
    }
    if (pingSinceMs !== undefined) {
      if (nowMs - pingSinceMs < pongWithinMs) return;
      pingSinceMs = undefined;
      drop("Redis does not answer.", "ping");
      return;
    }
    const mine = generation;
    pingSinceMs = nowMs;
    const answered = () => {
      if (mine === generation) pingSinceMs = undefined;
    };
    // Any answer is a sign of life; without one the next ticks act.
    send(["ping"]).then(answered, () => {});
  });

  connect();

  return {
    get ready() {
      return ready;
    },
    get generation() {
      return generation;
    },
    get pendingBytes() {
      return pendingBytes;
    },
    get peer() {
      return redis.stream?.remoteAddress ?? "";
    },
    ...{ send, drop },
    settle() {
      attempts = 0;
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      ready = false;
      watchdog[Symbol.dispose]();
      reviving?.[Symbol.dispose]();
      await new Promise<void>((resolve) => {
        const open = redis.status !== "end" && redis.status !== "wait";
        redis.once("end", () => resolve());
        redis.disconnect();
        // Between two attempts there is no socket whose end would be told.
        if (!open || redis.stream === undefined || redis.stream.destroyed) resolve();
      });
    },
  };
}

function optionsOf({ place, login, name }: RedisLinkNeeds, onSentinelError: (error: Error) => void): RedisOptions {
  const common: RedisOptions = {
    ...(login.username === undefined ? {} : { username: login.username }),
    ...passwordOf(login),
    ...(login.tls === undefined ? {} : { tls: login.tls }),
    connectionName: name,
    lazyConnect: true,
    enableOfflineQueue: false,
    // Rejects what is under way when the connection ends; without the zero it would stay pending for ever.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    // What a loading server answers to is found out by the probe; INFO may be forbidden.
    enableReadyCheck: false,
    disableClientInfo: true,
    connectTimeout: 1000,
    disconnectTimeout: 100,
    keepAlive: 15_000,
  };
  if (place.kind === "server") return { ...common, host: place.host, port: place.port, db: place.database ?? 0 };
  const { master, nodes, login: own } = place;
  return {
    ...common,
    name: master,
    sentinels: nodes.map(({ host, port }) => ({ host, port })),
    ...(own.username === undefined ? {} : { sentinelUsername: own.username }),
    ...(own.password() === undefined ? {} : { sentinelPassword: own.password() }),
    ...(own.tls === undefined ? {} : { sentinelTLS: own.tls }),
    // Without this `tls` means the sentinels only, and the master is spoken to in clear text.
    enableTLSForSentinelMode: login.tls !== undefined,
    sentinelCommandTimeout: 1000,
    sentinelRetryStrategy: () => 300,
    sentinelReconnectStrategy: () => 1000,
    failoverDetector: true,
    Connector: quietSentinels(onSentinelError),
  };
}

function passwordOf(login: RedisLogin): { password?: string } {
  const password = login.password();
  return password === undefined ? {} : { password };
}

/** The library's own way to the master; only, what ails a sentinel is told to us and not to the console. */
function quietSentinels(onError: (error: Error) => void) {
  function connector(options: ConstructorParameters<typeof SentinelConnector>[0]) {
    const plain = new SentinelConnector(options) as unknown as {
      connectToSentinel(...given: unknown[]): { on(event: "error", call: (error: Error) => void): void };
    };
    const connectTo = plain.connectToSentinel.bind(plain);
    plain.connectToSentinel = (...given) => {
      const client = connectTo(...given);
      client.on("error", onError);
      return client;
    };
    return plain;
  }
  return connector as unknown as NonNullable<RedisOptions["Connector"]>;
}

/** The library makes a text of bytes that are no `Buffer`: "1,2,3". */
function argumentOf(part: string | number | Uint8Array): string | number | Buffer {
  if (!(part instanceof Uint8Array) || Buffer.isBuffer(part)) return part as string | number | Buffer;
  return Buffer.from(part.buffer, part.byteOffset, part.length);
}

function bytesOf(commands: readonly RedisCommand[]): number {
  let sum = 0;
  for (const command of commands)
    for (const part of command) sum += typeof part === "number" ? 8 : (part as string | Uint8Array).length;
  return sum;
}
