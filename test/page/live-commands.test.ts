import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TypedCommandSchema } from "../../proto/gen/bartizan/v1/command_pb.ts";
import { WatchResponseSchema } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { openBrowser, openPageRig } from "../support/browser.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openShellOn, shows } from "../support/page-parts.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

/** Lets the test put messages of its own into the stream of a Watch call, between those of the server. */
const keepSockets = `
  const Native = WebSocket;
  globalThis.WebSocket = class extends Native {
    constructor(url, protocols) {
      super(url, protocols);
      if (url.endsWith("/Watch")) globalThis.watching = this;
    }
  };`;

/** One enveloped message of the Connect protocol: flags, length, message. */
function envelopeOf(command: MessageInitShape<typeof TypedCommandSchema>): string {
  const data = toBinary(
    WatchResponseSchema,
    create(WatchResponseSchema, { event: { case: "command", value: command } }),
  );
  const head = Buffer.alloc(5);
  head.writeUInt32BE(data.length, 1);
  return Buffer.concat([head, data]).toString("base64");
}

test("who watches sees the newest commands as they are entered, and what becomes of them; unfolded, the ones before", async () => {
  const memory = createMemoryTarget({ name: "play" });
  await using rig = await openPageRig(browser, {
    ...{ targets: [memory.target], dial: memory.dial, principals: { aud: ["auditor"] } },
  });
  const operator = await rig.open();
  await openShellOn(operator, "play");
  await memory.pty().print("a screen");
  const page = await rig.open({ as: "aud", script: keepSockets });
  await page.getByRole("link", { name: "Sessions" }).click();
  await page.getByRole("link", { name: /^Watch/ }).click();
  await shows(page, "a screen");
  const newest = page.getByTestId("newest-commands");
  expect(await newest.count()).toBe(0);
  const tell = (command: MessageInitShape<typeof TypedCommandSchema>) =>
    page.evaluate((base64) => {
      const { buffer } = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
      const { watching } = globalThis as unknown as { watching: WebSocket };
      watching.dispatchEvent(new MessageEvent("message", { data: buffer }));
    }, envelopeOf(command));

  await tell({ number: 1, text: "make\n  all <b>", startedMs: 1000n, confidence: 2 });
  await newest.getByText("make ⏎ all <b>").waitFor();
  expect(await newest.getByTestId("exit").count()).toBe(0);
  await tell({ number: 1, text: "make\n  all <b>", startedMs: 1000n, endedMs: 3000n, exitCode: 2, confidence: 1 });
  await newest.getByText("exit 2").first().waitFor();
  for (let number = 2; number <= 30; number += 1)
    await tell({ number, text: `step ${number}`, startedMs: BigInt(number * 1000), confidence: 2 });
  await newest.getByText("step 30").first().waitFor();
  await page.getByRole("button", { name: "Show the newest commands" }).click();
  await newest.getByRole("listitem").nth(19).waitFor();
  expect(await newest.getByRole("listitem").count()).toBe(20);
  await page.getByRole("button", { name: "Hide the newest commands" }).click();
  await newest.getByRole("listitem").first().waitFor({ state: "hidden" });
  await memory.pty().print("\r\nstill live");
  await shows(page, "still live");
});
