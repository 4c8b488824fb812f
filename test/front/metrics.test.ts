import { request } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createLoginMeter } from "../../server/access/login-meter.ts";
import { createGroupMeter } from "../../server/group/meter.ts";
import { createMetrics } from "../../server/metrics.ts";
import { createHeldClock } from "../support/held-clock.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { configOf, openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

/** Every line of the figures by its name and labels. */
function figuresOf(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

describe("the figures of a node", () => {
  const memory = createMemoryTarget({ echo: true });
  let bastion: TestBastion;
  beforeEach(async () => {
    bastion = await openTestBastion({
      targets: [memory.target],
      dial: memory.dial,
      principals: { carol: ["auditor"] },
      config: { metrics: { listen: "127.0.0.1:0", allowWide: false } },
    });
  });
  afterEach(() => bastion[Symbol.asyncDispose]());

  const read = async () => figuresOf(await (await fetch(bastion.metricsUrl ?? "")).text());
  const answered = (options: { host?: string; path?: string; method?: string }) =>
    new Promise<number | undefined>((resolve, reject) => {
      const { port, host } = new URL(bastion.metricsUrl ?? "");
      const headers = { host: options.host ?? host };
      request({ port, path: options.path ?? "/metrics", method: options.method ?? "GET", headers, agent: false })
        .on("response", (response) => resolve(response.resume().statusCode))
        .on("error", reject)
        .end();
    });

  it("follow a session from its opening through its watcher to its end", async () => {
    const operator = operate(bastion.clients(), "memory");
    const { session } = await operator.started();
    await operator.type("hello");
    await operator.shows("hello");
    {
      await using watcher = watch(bastion.clients("token-carol"), session.id);
      await watcher.started();
      const figures = await read();
      expect(figures.get('bartizan_sessions{state="attached"}')).toBe(1);
      expect(figures.get("bartizan_sessions_unrecorded")).toBe(0);
      expect(figures.get("bartizan_watchers")).toBe(1);
      expect(figures.get("bartizan_sessions_opened_total")).toBe(1);
      expect(figures.get("bartizan_output_bytes_total")).toBeGreaterThanOrEqual(5);
      expect(figures.get("bartizan_connections")).toBeGreaterThan(0);
    }
    const bytes = (await read()).get("bartizan_output_bytes_total") ?? 0;
    await bastion.clients().sessions.kick({ sessionId: session.id, reason: "test" });
    await operator.over.catch(() => {});
    await until(() => bastion.registry.size === 0, "the session is gone");
    const figures = await read();
    expect(figures.get('bartizan_sessions_ended_total{cause="kicked"}')).toBe(1);
    expect(figures.get('bartizan_sessions_ended_total{cause="exited"}')).toBe(0);
    expect(figures.get('bartizan_sessions{state="attached"}')).toBe(0);
    expect(figures.get("bartizan_output_bytes_total")).toBeGreaterThanOrEqual(bytes);
  });

  it("tell of the process, the disk, the crypto and this very node", async () => {
    const figures = await read();
    expect(figures.get("process_resident_memory_bytes")).toBeGreaterThan(10_000_000);
    expect(figures.get("process_cpu_user_seconds_total")).toBeGreaterThan(0);
    expect(figures.get("process_open_fds")).toBeGreaterThan(3);
    expect(figures.get("nodejs_eventloop_lag_p99_seconds")).toBeGreaterThanOrEqual(0);
    expect(figures.get("bartizan_recordings_free_bytes")).toBeGreaterThan(0);
    expect(figures.get("bartizan_native_crypto")).toBe(Number(bastion.nativeCrypto.available));
    expect([...figures.keys()].some((each) => /^bartizan_info\{.*node="test"/.test(each))).toBe(true);
  });

  it("count who was let in by a link, and who was not", async () => {
    const { access } = bastion.clients("nobody");
    await access.whoAmI({}).catch(() => {});
    const code = new URL((await bastion.clients().access.createLink({})).url).hash.replace("#code=", "");
    await access.redeemCode({ code });
    await access.redeemCode({ code }).catch(() => {});
    const figures = await read();
    expect(figures.get("bartizan_tokens_refused_total")).toBe(1);
    expect(figures.get("bartizan_links_made_total")).toBe(1);
    expect(figures.get('bartizan_links_redeemed_total{outcome="ok"}')).toBe(1);
    expect(figures.get('bartizan_links_redeemed_total{outcome="wrong"}')).toBe(1);
  });

  it("are read at one path of a listener of their own, by this machine's names alone", async () => {
    expect(await answered({})).toBe(200);
    expect(await answered({ method: "HEAD" })).toBe(200);
    expect(await answered({ method: "POST" })).toBe(405);
    expect(await answered({ path: "/" })).toBe(404);
    expect(await answered({ path: "/bartizan.v1.AccessService/WhoAmI" })).toBe(404);
    expect(await answered({ host: "evil.example" })).toBe(421);
    expect((await fetch(`${bastion.url}/metrics`)).status).toBe(404);
  });

  it("name nobody: neither people, nor targets, nor sessions", async () => {
    const operator = operate(bastion.clients(), "memory");
    const { session } = await operator.started();
    const text = await (await fetch(bastion.metricsUrl ?? "")).text();
    for (const name of [session.id, "memory", session.operator?.name ?? "?"])
      expect(text).not.toMatch(new RegExp(`"${name}"`));
    operator.shell.hangUp();
    await operator.ended();
    await until(() => bastion.registry.size === 0, "the session is gone");
  });
});

it("no shell leads to where the figures are read: that is this server itself", async () => {
  const targets = [createMemoryTarget().target];
  await using bastion = await openTestBastion({
    ...{ targets, config: { metrics: { listen: "127.0.0.1:0", allowWide: false } } },
  });
  const { port } = new URL(bastion.metricsUrl ?? "");
  targets.push({ ...createMemoryTarget({ name: "self" }).target, kind: "ssh", host: "127.0.0.1", port: Number(port) });
  await using operator = operate(bastion.clients(), "self");
  await expect(operator.over).rejects.toThrow("leads to this server itself");
});

it("a node without `metrics` in its config has no listener for them", async () => {
  await using bastion = await openTestBastion();
  expect(bastion.metricsUrl).toBeUndefined();
});

it("the config refuses figures for others than this machine, unless it says so", () => {
  expect(() => configOf("metrics: { listen: '0.0.0.0:9464' }")).toThrow(/metrics.allowWide: true/);
  expect(() => configOf("metrics: { listen: '10.0.0.1:9464' }")).toThrow(/metrics.listen/);
  expect(configOf("metrics: { listen: '0.0.0.0:9464', allowWide: true }")).toMatchObject({
    metrics: { allowWide: true },
  });
  expect(configOf("metrics: { listen: '[::1]:9464' }")).toMatchObject({ metrics: { allowWide: false } });
});

it("a node of a group tells everything that its meter counts", async () => {
  const clock = createHeldClock();
  const meter = createGroupMeter(clock);
  using metrics = createMetrics({
    ...{ version: "1", node: "web1", nativeCrypto: true, clock, logins: createLoginMeter(), reserveBytes: 1 },
    sessions: { list: () => [], draining: false, onChange: () => ({ [Symbol.dispose]: () => {} }) },
    ...{ connections: () => 0, freeBytes: () => Promise.reject(new Error("no disk")) },
    group: { meter, state: () => ({ up: false, nodes: ["web1", "web2"] }) },
  });
  meter.published("data", 300, 0);
  meter.gap("tail");
  meter.resumed("ring");
  meter.keyFrame(3);
  meter.flooded(1500);
  meter.kicked("order-left", 3000);
  meter.received(10, 7);
  meter.rejected("forged");
  meter.reconnected("probe");
  meter.bus(false);
  clock.pass(2000);
  const text = await metrics.text();
  expect(text).toContain("# TYPE bartizan_group_lag_seconds histogram");
  const figures = figuresOf(text);
  const expected = {
    bartizan_group_bus_up: 0,
    bartizan_group_nodes: 2,
    bartizan_group_bus_down_seconds_total: 2,
    'bartizan_group_frames_published_total{kind="data"}': 1,
    bartizan_group_unheard_total: 1,
    'bartizan_group_gaps_total{cause="tail"}': 1,
    'bartizan_group_resumes_total{kind="ring"}': 1,
    bartizan_group_key_frames_shared_total: 2,
    bartizan_group_flood_seconds_total: 1.5,
    'bartizan_group_kicks_total{answer="order-left"}': 1,
    'bartizan_group_rejected_total{cause="forged"}': 1,
    'bartizan_group_reconnects_total{cause="probe"}': 1,
    'bartizan_group_lag_seconds_bucket{le="0.005"}': 0,
    'bartizan_group_lag_seconds_bucket{le="0.01"}': 1,
    'bartizan_group_lag_seconds_bucket{le="+Inf"}': 1,
    bartizan_group_kick_seconds_count: 1,
    bartizan_group_kick_seconds_sum: 3,
  };
  expect(Object.fromEntries(Object.keys(expected).map((name) => [name, figures.get(name)]))).toEqual(expected);
  // A disk that cannot be asked is not a full one, and all other figures stay.
  expect(figures.get("bartizan_recordings_free_bytes")).toBeNaN();
});
