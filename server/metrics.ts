/** What the node's figures are called for Prometheus; the one door to prom-client. Reads when asked, and counts ends of sessions. */
import { readdirSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, type Metric, Registry } from "prom-client";
import type { LoginMeter } from "./access/login-meter.ts";
import type { EndCause, SessionInfo } from "./events.ts";
import type { Clock } from "./flow/clock.ts";
import type { GroupMeter, Spread } from "./group/meter.ts";

export interface MetricsNeeds {
  readonly version: string;
  readonly node: string;
  readonly nativeCrypto: boolean;
  readonly clock: Clock;
  /** Those this node holds. */
  readonly sessions: {
    list(): readonly SessionInfo[];
    readonly draining: boolean;
    onChange(listener: (info: SessionInfo) => void): Disposable;
  };
  readonly connections: () => number;
  /** On the disk of the recordings. Rejects when nobody knows. */
  readonly freeBytes: () => Promise<number>;
  readonly reserveBytes: number;
  readonly logins: LoginMeter;
  /** Undefined: this node is alone, and has no figures of a group. */
  readonly group?:
    | { readonly meter: GroupMeter; state(): { readonly up: boolean; readonly nodes: readonly string[] } }
    | undefined;
}

export interface Metrics extends Disposable {
  readonly contentType: string;
  /** All figures of this moment, as text. */
  text(): Promise<string>;
}

interface Sample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}
type Read = () => number | readonly Sample[] | Promise<number | readonly Sample[]>;

const causes: readonly EndCause["kind"][] = ["exited", "signalled", "lost", "kicked", "closed"];
const loopResolutionMs = 20;

/** A registry of its own: several nodes in one process do not see each other's. */
export function createMetrics(needs: MetricsNeeds): Metrics {
  const registry = new Registry();
  using opening = new DisposableStack();
  const figure = (type: "counter" | "gauge", name: string, help: string, read: Read, labels: string[] = []) =>
    addFigure(registry, type, name, help, read, labels);
  addProcess(figure, needs.clock, opening);
  addNode(figure, needs, opening);
  addLogins(figure, needs.logins);
  if (needs.group !== undefined) addGroup(figure, registry, needs.group);
  const held = opening.move();
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    [Symbol.dispose]: () => held.dispose(),
  };
}

type Figure = (type: "counter" | "gauge", name: string, help: string, read: Read, labels?: string[]) => void;

function addFigure(
  registry: Registry,
  type: "counter" | "gauge",
  name: string,
  help: string,
  read: Read,
  labelNames: string[],
): void {
  const samples = async () => {
    const found = await read();
    return typeof found === "number" ? [{ value: found }] : found;
  };
  const options = { name, help, labelNames, registers: [registry] };
  if (type === "gauge") {
    new Gauge({
      ...options,
      async collect() {
        this.reset();
        for (const { labels = {}, value } of await samples()) this.set(labels, value);
      },
    });
  } else {
    new Counter({
      ...options,
      async collect() {
        this.reset();
        for (const { labels = {}, value } of await samples()) this.inc(labels, value);
      },
    });
  }
}

/** The library's own set of these opens what nobody can close; the names are the usual ones. */
function addProcess(figure: Figure, clock: Clock, opening: DisposableStack): void {
  const delay = monitorEventLoopDelay({ resolution: loopResolutionMs });
  delay.enable();
  opening.defer(() => delay.disable());
  const startedSeconds = clock.wallMs() / 1000 - process.uptime();
  figure("gauge", "process_start_time_seconds", "When the process started, since 1970.", () => startedSeconds);
  figure("counter", "process_cpu_user_seconds_total", "Time in user code.", () => process.cpuUsage().user / 1e6);
  figure("counter", "process_cpu_system_seconds_total", "Time in the kernel.", () => process.cpuUsage().system / 1e6);
  figure("gauge", "process_resident_memory_bytes", "Memory in use.", () => process.memoryUsage.rss());
  figure("gauge", "nodejs_heap_size_used_bytes", "Of the heap.", () => process.memoryUsage().heapUsed);
  figure("gauge", "nodejs_external_memory_bytes", "Of buffers.", () => process.memoryUsage().external);
  figure("gauge", "process_open_fds", "Open files and sockets.", openFiles);
  figure("gauge", "nodejs_eventloop_lag_p99_seconds", "Lateness of the event loop since it was last asked.", () => {
    const lateMs = delay.percentile(99) / 1e6 - loopResolutionMs;
    delay.reset();
    return Number.isFinite(lateMs) ? Math.max(0, lateMs) / 1000 : 0;
  });
}

function openFiles(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return Number.NaN; // not Linux
  }
}

function addNode(figure: Figure, needs: MetricsNeeds, opening: DisposableStack): void {
  const { sessions, version, node, nativeCrypto, connections, freeBytes, reserveBytes } = needs;
  const ended = new Map(causes.map((kind) => [kind, 0]));
  const live = new Set(sessions.list().map(({ id }) => id));
  let opened = live.size;
  let endedBytes = 0;
  opening.use(
    sessions.onChange(({ id, ended: end, outputBytes }) => {
      if (end === undefined) {
        if (live.has(id)) return;
        live.add(id);
        opened += 1;
      } else if (live.delete(id)) {
        ended.set(end.cause.kind, (ended.get(end.cause.kind) ?? 0) + 1);
        endedBytes += outputBytes;
      }
    }),
  );
  const count = (of: (info: SessionInfo) => number) => sessions.list().reduce((sum, info) => sum + of(info), 0);
  const seats = (role: string) => (info: SessionInfo) => info.attachments.filter((each) => each.role === role).length;
  const state = (name: string) => ({
    labels: { state: name },
    value: count((info) => Number(info.state === name)),
  });
  figure("gauge", "bartizan_info", "Always 1.", () => [{ labels: { version, node }, value: 1 }], ["version", "node"]);
  figure("gauge", "bartizan_native_crypto", "1: SSH uses its native part.", () => Number(nativeCrypto));
  figure("gauge", "bartizan_draining", "1: the node stops.", () => Number(sessions.draining));
  figure("gauge", "bartizan_connections", "Connections of clients.", connections);
  const states = () => ["attached", "detached"].map(state);
  figure("gauge", "bartizan_sessions", "Live sessions that this node holds.", states, ["state"]);
  figure("gauge", "bartizan_sessions_unrecorded", "Of those, not recorded.", () => count((i) => Number(!i.recorded)));
  figure("gauge", "bartizan_watchers", "Watchers of those.", () => count(seats("watcher")));
  figure("counter", "bartizan_sessions_opened_total", "Sessions opened.", () => opened);
  const ends = () => Array.from(ended, ([cause, value]) => ({ labels: { cause }, value }));
  figure("counter", "bartizan_sessions_ended_total", "Sessions ended.", ends, ["cause"]);
  const output = () => endedBytes + count((info) => info.outputBytes);
  figure("counter", "bartizan_output_bytes_total", "Output of all sessions.", output);
  const free = () => freeBytes().catch(() => Number.NaN);
  figure("gauge", "bartizan_recordings_free_bytes", "Free on the disk of the recordings.", free);
  figure("gauge", "bartizan_recordings_reserve_bytes", "No session begins with less free.", () => reserveBytes);
}

function addLogins(figure: Figure, logins: LoginMeter): void {
  const redeems = () =>
    Object.entries(logins.counts().redeems).map(([outcome, value]) => ({ labels: { outcome }, value }));
  figure("counter", "bartizan_links_made_total", "One-time codes made.", () => logins.counts().linksMade);
  figure("counter", "bartizan_links_redeemed_total", "Tries of one-time codes.", redeems, ["outcome"]);
  const refused = () => logins.counts().refusedTokens;
  figure("counter", "bartizan_tokens_refused_total", "Calls without a token that is worth something.", refused);
}

function addGroup(figure: Figure, registry: Registry, { meter, state }: NonNullable<MetricsNeeds["group"]>): void {
  const now = () => meter.counts();
  const plain = (name: string, help: string, of: (counts: ReturnType<typeof now>) => number) =>
    figure("counter", `bartizan_group_${name}_total`, help, () => of(now()));
  const tally = (
    name: string,
    help: string,
    label: string,
    words: readonly string[],
    of: (counts: ReturnType<typeof now>) => Readonly<Record<string, number>>,
  ) => {
    const read = () => words.map((word) => ({ labels: { [label]: word }, value: of(now())[word] ?? 0 }));
    figure("counter", `bartizan_group_${name}_total`, help, read, [label]);
  };
  figure("gauge", "bartizan_group_bus_up", "1: the bus works, and brings our own messages back.", () =>
    Number(state().up),
  );
  figure(
    "gauge",
    "bartizan_group_nodes",
    "Nodes that give signs of life, this one included.",
    () => state().nodes.length,
  );
  plain("bus_down_seconds", "Time without the bus.", ({ downMs }) => downMs / 1000);
  const reconnects = ["ping", "probe", "read-only", "subscribe", "error"];
  tally("reconnects", "Connections to Redis made anew.", "cause", reconnects, ({ reconnects }) => reconnects);
  const kinds = ["data", "key-frame", "word"];
  tally("frames_published", "Frames of sessions.", "kind", kinds, ({ framesPublished }) => framesPublished);
  plain("published_bytes", "Their bytes.", ({ bytesPublished }) => bytesPublished);
  plain("unheard", "Frames that no node took.", ({ unheard }) => unheard);
  plain("publish_failures", "Frames that could not be published.", ({ publishFailures }) => publishFailures);
  plain("frames_received", "Frames of sessions elsewhere.", ({ framesReceived }) => framesReceived);
  plain("received_bytes", "Their bytes.", ({ bytesReceived }) => bytesReceived);
  tally("gaps", "Missing bytes noticed.", "cause", ["hole", "tail", "interrupted"], ({ gaps }) => gaps);
  tally("resumes", "How gaps were closed.", "kind", ["ring", "key-frame", "gone"], ({ resumes }) => resumes);
  plain("key_frames_sent", "Key frames sent.", ({ keyFramesSent }) => keyFramesSent);
  plain("key_frames_shared", "Attaches that took another's key frame.", ({ keyFramesShared }) => keyFramesShared);
  plain("flood_seconds", "Time of sessions with key frames instead of output.", ({ floodMs }) => floodMs / 1000);
  plain("slow_cuts", "Watchers of sessions elsewhere cut because they did not read.", ({ slowCuts }) => slowCuts);
  plain("list_rewrites", "Times this node wrote its list whole.", ({ listRewrites }) => listRewrites);
  const answers = ["ended", "already-ended", "order-left", "bus-down", "not-found"];
  tally("kicks", "Kicks of sessions elsewhere.", "answer", answers, ({ kicks }) => kicks);
  const causes = ["forged", "replayed", "oversize", "version", "sender", "malformed"];
  tally("rejected", "Messages that were not believed.", "cause", causes, ({ rejected }) => rejected);
  addSpread(registry, "bartizan_group_kick_seconds", "Until a kick elsewhere was answered.", () => now().kickMs);
  addSpread(registry, "bartizan_group_lag_seconds", "From publishing to receiving, by two clocks.", () => now().lagMs);
}

/** The library's histograms observe by themselves; this one was counted elsewhere, and has only to be told of. */
function addSpread(registry: Registry, name: string, help: string, read: () => Spread): void {
  const get = async () => {
    const { boundsMs, counts, sumMs } = read();
    let sum = 0;
    const buckets = counts.map((count, at) => {
      sum += count;
      const bound = boundsMs[at];
      const le = bound === undefined ? "+Inf" : String(bound / 1000);
      return { metricName: `${name}_bucket`, labels: { le }, value: sum };
    });
    const totals = [
      { metricName: `${name}_sum`, labels: {}, value: sumMs / 1000 },
      { metricName: `${name}_count`, labels: {}, value: sum },
    ];
    return { name, help, type: "histogram", values: [...buckets, ...totals], aggregator: "sum" };
  };
  registry.registerMetric({ name, help, type: "histogram", get } as unknown as Metric);
}
