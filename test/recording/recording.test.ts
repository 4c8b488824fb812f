import { describe, expect, test } from "vitest";
import { createMemoryTarget } from "../support/memory-target.ts";
import { auditOf, dataOf, onlyCast } from "../support/recordings-of.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

describe("a recorded session", () => {
  test("holds output, sizes, who came and went, and the end, sealed; the list and the audit log know it", async () => {
    const memory = createMemoryTarget();
    await using bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial });
    const clients = bastion.clients();
    await using shell = operate(clients, "memory");
    const { session } = await shell.started();
    expect(session.recorded).toBe(true);
    await using watcher = watch(clients, session.id);
    await watcher.started();
    await memory.pty().print("hällo ");
    shell.shell.resize({ cols: 100, rows: 30 });
    await until(() => memory.pty().size().cols === 100, "the new size");
    await memory.pty().print(Buffer.from([0xff, 0xfe]));
    await shell.shows("hällo");
    memory.pty().exit({ kind: "exited", code: 3 });
    await shell.ended();
    const cast = onlyCast(dataOf(bastion));
    expect(cast.output).toEqual(Buffer.concat([Buffer.from("hällo "), Buffer.from([0xff, 0xfe])]));
    expect(cast.sizes).toEqual([{ offset: 7, size: "100x30" }]);
    expect(cast.start).toMatchObject({ session: session.id, target: "memory", mode: "strict", format: 1 });
    expect(cast.comments("joined").map(({ role }) => role)).toEqual(["operator", "watcher"]);
    expect(cast.events.at(-1)).toMatchObject({ code: "x", text: "3" });
    expect(cast.comments("end")).toMatchObject([{ offset: 9, cause: { kind: "exited", code: 3 } }]);
    expect(cast.final).toEqual({ kind: "exited", code: 3 });
    const kinds = auditOf(dataOf(bastion)).map(({ event, seal }) => [event, seal]);
    expect(kinds).toEqual([
      ["recording-opened", undefined],
      ["recording-sealed", cast.finalHash],
    ]);
  });
});
