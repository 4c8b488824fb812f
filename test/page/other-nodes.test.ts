import { create, toBinary } from "@bufbuild/protobuf";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FaultSchema } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { openBrowser, openPageRig } from "../support/browser.ts";
import { cuttable } from "../support/cuttable-bus.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { frontPane, shows } from "../support/page-parts.ts";
import { createTestGroup } from "../support/test-group.ts";
import { operate } from "../support/viewing.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

const principals = { maria: ["operator"], boss: ["admin"] } as const;
const timing = { leaseMs: 1500, renewMs: 300, heartbeatMs: 100, batchMs: 25, kickMs: 300 };

/** maria has a shell on the node "one", which clients reach at `address`; the browser's pages come from the node "two". */
async function openPair(address?: string) {
  const group = createTestGroup(timing);
  const memory = createMemoryTarget({ name: "play" });
  const bus = cuttable(group.hub.openBus());
  await using opening = new AsyncDisposableStack();
  const one = opening.use(
    await group.open("one", {
      ...{ targets: [memory.target], dial: memory.dial, principals, bus },
      config: address === undefined ? {} : { group: { address } },
    }),
  );
  const join = { bus: group.hub.openBus(), keys: group.keys, timing };
  const rig = opening.use(await openPageRig(browser, { principals, join, config: { node: "two" } }));
  const operator = operate(one.clients("token-maria"), "play");
  await operator.started();
  const held = opening.move();
  return { ...{ rig, bus, memory, operator }, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

test("a session of another node is watched, marked while nobody hears its node, and the order for it told for what it is", async () => {
  await using pair = await openPair();
  const { rig, bus, memory, operator } = pair;
  await memory.pty().print("far away");
  const boss = await rig.open({ as: "boss" });
  await boss.getByRole("link", { name: "Sessions" }).click();
  await boss.getByTestId("session").getByText("one", { exact: true }).waitFor();
  await boss.getByRole("link", { name: /^Watch/ }).click();
  await boss.getByTestId("live").waitFor();
  await shows(boss, "far away");
  await bus.cut();
  await boss.getByTestId("reach").getByText("Not heard").waitFor();
  expect(await boss.getByTestId("live").count()).toBe(0);
  const banner = boss.locator(".stage-banner").getByText("gives no sign of life");
  await banner.waitFor({ state: "visible" });
  // It hides nothing of the screen.
  const [words, stage] = [await banner.boundingBox(), await boss.getByTestId("stage").boundingBox()];
  expect((words?.y ?? 0) + (words?.height ?? 0)).toBeLessThanOrEqual(stage?.y ?? 0);
  await boss.getByRole("link", { name: "Back to the sessions" }).click();
  await boss.getByTestId("unheard").waitFor();
  await boss.getByRole("button", { name: /^Kick/ }).click();
  const dialog = boss.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("freeze");
  await boss.keyboard.press("Enter");
  await dialog.locator('[data-outcome="unreachable"]').getByText("The order waits where that node finds it").waitFor();
  expect(memory.pty().hungUp()).toBe(false);
  await bus.mend();
  expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", by: "boss", reason: "freeze" });
  await boss.keyboard.press("Escape");
  await boss.getByTestId("session").getByText("kicked by boss: freeze").waitFor();
});

test("the wall shows screens of other nodes, and which are not heard", async () => {
  await using pair = await openPair();
  const { rig, bus, memory, operator } = pair;
  await memory.pty().print("far away");
  const boss = await rig.open({ as: "boss" });
  await boss.getByRole("link", { name: "Wall" }).click();
  const tile = boss.getByTestId("tile");
  await shows(tile, "far away");
  await bus.cut();
  await tile.getByTestId("tile-unheard").waitFor();
  await bus.mend();
  await tile.getByText("LIVE").waitFor();
  memory.pty().exit({ kind: "exited", code: 0 });
  await operator.ended();
});

test("a shell on another node that no balancer leads to is offered where it is", async () => {
  await using pair = await openPair("https://one.bastion.example");
  const { rig, memory, operator } = pair;
  await operator[Symbol.asyncDispose]();
  const maria = await rig.open({ as: "maria" });
  await maria.getByRole("link", { name: "Sessions" }).click();
  await maria.getByRole("button", { name: /^Reopen/ }).click();
  const link = frontPane(maria).getByRole("link", { name: "Open it at https://one.bastion.example" });
  await link.waitFor();
  expect(await link.getAttribute("href")).toBe("https://one.bastion.example/sessions");
  await frontPane(maria).getByText("Your shell is on one; this page reached two, trying again.").waitFor();
  memory.pty().exit({ kind: "exited", code: 0 });
});

test("a recording on another node is offered where it is", async () => {
  const rig = await openPageRig(browser, { principals });
  await using _rig = rig;
  const maria = await rig.open({ as: "maria" });
  await maria.getByRole("link", { name: "Sessions" }).waitFor();
  const value = { word: "not-here", address: "https://one.bastion.example", answeredBy: "two" };
  const fault = Buffer.from(toBinary(FaultSchema, create(FaultSchema, value))).toString("base64");
  const message = "The recording is on the node one.";
  const details = [{ type: "bartizan.v1.Fault", value: fault }];
  const end = Buffer.from(JSON.stringify({ error: { code: "failed_precondition", message, details } }));
  const head = Buffer.alloc(5);
  head.writeUInt8(2);
  head.writeUInt32BE(end.length, 1);
  await maria.routeWebSocket(/RecordingService.Replay/, (socket) => {
    const headers = [["content-type", "application/connect+proto"]];
    socket.send(JSON.stringify({ status: 200, headers, aliveMs: 15_000 }));
    socket.send(Buffer.concat([head, end]));
    void socket.close({ code: 1000 });
  });
  await maria.goto(`${rig.bastion.url}/replay/one-AbCdEfGhIjKl`);
  await maria.getByText(message).waitFor();
  const link = maria.getByRole("link", { name: "Open it at https://one.bastion.example" });
  expect(await link.getAttribute("href")).toBe("https://one.bastion.example/replay/one-AbCdEfGhIjKl");
});
