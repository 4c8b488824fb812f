import { expect, it } from "vitest";
import { createHealth } from "../../server/front/health.ts";

function asked(bus: string, up: boolean, draining = false) {
  const pages = createHealth({ draining: () => draining, group: () => ({ bus, up }) });
  return ["/healthz", "/readyz"].map((path) => {
    const { status, body, type } = pages[path]?.() ?? { status: 0, body: "", type: "" };
    expect(type).toMatch(/^application\/json/);
    return [status, JSON.parse(body)];
  });
}

it("a node alone is ok and ready", () => {
  expect(asked("memory", true)).toEqual([
    [200, { status: "ok", bus: "none" }],
    [200, { status: "ready", bus: "none" }],
  ]);
});

it("a node whose bus is down says so, and stays in service: its shells go on", () => {
  expect(asked("redis", true).map(([, body]) => body)).toEqual([
    { status: "ok", bus: "up" },
    { status: "ready", bus: "up" },
  ]);
  expect(asked("redis", false)).toEqual([
    [200, { status: "degraded", bus: "down" }],
    [200, { status: "degraded", bus: "down" }],
  ]);
});

it("a node that stops is alive and not ready, whatever its bus does", () => {
  for (const up of [true, false]) {
    const [[alive] = [], [status, ready] = []] = asked("redis", up, true);
    expect([alive, status, ready.status]).toEqual([200, 503, "draining"]);
  }
});
