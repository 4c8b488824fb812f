/** What a shell's tab shows after each event, and that settings are kept within bounds. */
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import type { AttachmentEvent } from "../../proto/client/events.ts";
import { faultOf } from "../../proto/client/faults.ts";
import { PromptSchema, SessionInfoSchema } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { afterEvent, firstState, type TabState } from "../../web/shell-state.ts";
import { createSettings, defaultSettings } from "../../web/terminal-settings.ts";

const session = create(SessionInfoSchema, {
  id: "n1-x",
  attachments: [
    { id: "me", principal: { name: "ana" } },
    { id: "w1", principal: { name: "eve\u202e" } },
  ],
});
const begin = { session, attachmentId: "me", position: { epoch: "e", offset: 0 }, graceMs: 600_000, resumed: false };
const started: AttachmentEvent = { kind: "started", ...begin };
const after = (...events: AttachmentEvent[]): TabState =>
  events.reduce((state, event) => afterEvent(state, event, 1000), firstState("web1"));
const who = (kind: "joined" | "left", attachmentId: string): AttachmentEvent => ({
  ...{ kind, attachmentId, name: "bob", role: "watcher", offset: 0, atMs: 0 },
});

test("who watches is told from the beginning on, without the operator's own stream", () => {
  expect(after(started).others).toEqual([{ id: "w1", name: "eve" }]);
  const joined = after(started, who("joined", "w2"), who("joined", "me"), who("left", "w1"));
  expect(joined.others).toEqual([{ id: "w2", name: "bob" }]);
});

test("an open prompt goes when the shell opens, is lost or ends", () => {
  const prompt: AttachmentEvent = { kind: "prompt", prompt: create(PromptSchema, { id: "1", timeoutMs: 5000 }) };
  expect(after(prompt).prompt?.untilMs).toBe(6000);
  expect(after(prompt, started).prompt).toBeUndefined();
  const fault = faultOf(new Error("x"));
  expect(after(prompt, { kind: "reconnecting", attempt: 1, waitMs: 10, fault }).prompt).toBeUndefined();
  const ended: AttachmentEvent = { kind: "ended", offset: 0, atMs: 0, cause: { kind: "exited", code: 0 } };
  expect(after(prompt, ended).prompt).toBeUndefined();
});

test("a lost connection tells when the next attempt is, and what was thrown away when it is back", () => {
  const fault = faultOf(new Error("x"));
  const lost = after(started, { kind: "reconnecting", attempt: 2, waitMs: 500, fault });
  expect(lost.phase).toEqual({ kind: "reconnecting", attempt: 2, retryAtMs: 1500, fault });
  const back = afterEvent(lost, { kind: "reconnected", discardedBytes: 11, ...begin }, 2000);
  expect([back.phase.kind, back.discardedBytes]).toEqual(["open", 11]);
});

test("a target that talks without end fills five notices, not the page", () => {
  const notices = Array.from(
    { length: 50 },
    (_, at): AttachmentEvent => ({ kind: "notice", about: "banner", text: `${at}` }),
  );
  expect(after(...notices).notices.map(({ text }) => text)).toEqual(["45", "46", "47", "48", "49"]);
});

test("settings that somebody else wrote are read within bounds, and change for every store of the window", () => {
  const kept = new Map([
    ["bartizan.terminal", '{"fontSizePx":9000,"scrollbackLines":"many","colours":"pink","screenReader":true}'],
  ]);
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  } as Storage;
  const window = new EventTarget();
  const [one, other] = [createSettings(storage, window), createSettings(storage, window)];
  expect(one.get()).toEqual({ ...defaultSettings, fontSizePx: 32, screenReader: true });
  let told = 0;
  const leave = other.subscribe(() => {
    told += 1;
  });
  one.change({ fontSizePx: 3 });
  expect([told, other.get().fontSizePx]).toEqual([1, 8]);
  leave();
  one.change({ fontSizePx: 20 });
  expect(told).toBe(1);
});
