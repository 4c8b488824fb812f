/** Those who watch through another node sit at the desk like everybody: seen, told, counted, taken off. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openedOn, openTwoNodes, scribble, type TwoNodes } from "../support/far-watching.ts";
import { exited, type GroupNode, groupNames } from "../support/group-node.ts";
import { until } from "../support/until.ts";

let nodes: TwoNodes;
let holder: GroupNode;
let far: GroupNode;
const opened = () => openedOn(holder);

beforeEach(async () => {
  nodes = await openTwoNodes();
  ({ holder, far } = nodes);
});
afterEach(() => nodes[Symbol.asyncDispose]());

describe("watchers elsewhere", () => {
  it("are on the desk: listed, announced when they come and go, each with his name", async () => {
    const { session } = await opened();
    const here = await session.attach({ name: "erin" }, "watcher", {}, new AbortController().signal);
    const seen: string[] = [];
    const reading = (async () => {
      for await (const item of here.view)
        if (item.kind === "joined" || item.kind === "left") seen.push(`${item.who.who.name} ${item.kind}`);
    })();
    const view = await far.watch(session.info, { name: "carol" });
    const other = await far.watch(session.info, { name: "dave" });
    await until(() => session.info.attachments.length === 3, "both are seated");
    expect(session.info.attachments.map(({ who, role }) => `${who.name} ${role}`)).toEqual([
      "erin watcher",
      "carol watcher",
      "dave watcher",
    ]);
    await view[Symbol.asyncDispose]();
    await until(() => session.info.attachments.length === 2, "one has left");
    await other[Symbol.asyncDispose]();
    await until(() => seen.length === 4, "all is announced");
    expect(seen).toEqual(["carol joined", "dave joined", "carol left", "dave left"]);
    expect(view.items.some((item) => item.kind === "joined" && item.who.id === view.attachment.self.id)).toBe(false);
    expect(view.items.some((item) => item.kind === "joined" && item.who.who.name === "dave")).toBe(true);
    await session.kick("everyone", { name: "root" }, "done");
    await reading;
  });

  it("are announced although the first word of them got lost, and again when the holder gave them up", async () => {
    const { session, sees, channel } = await opened();
    let lost = 0;
    holder.bus.hearing = (on, _message, deliver) => {
      // The attach, then who watches.
      if (on === groupNames.inbox(holder.self) && ++lost === 2) return;
      deliver();
    };
    const view = await far.watch(session.info);
    await sees(view);
    await until(() => session.info.attachments.length === 1, "he is seated");
    // As after a time that neither heard of the other.
    far.bus.hearing = (on, _message, deliver) => (on === channel ? undefined : deliver());
    holder.relay.gone(far.self);
    expect(session.info.attachments.length).toBe(0);
    await new Promise((resolve) => setImmediate(resolve));
    far.bus.hearing = (_on, _message, deliver) => deliver();
    far.bus.interrupted();
    await until(() => session.info.attachments.length === 1, "he is seated again");
  });

  it("are told of a kick ahead of all output, and counted", async () => {
    const { session, print } = await opened();
    const views = [await far.watch(session.info), await far.watch(session.info)];
    await until(() => session.info.attachments.length === 2, "both are seated");
    views[0]?.pause();
    for (const piece of scribble(7, 100)) await print(piece);
    views[0]?.resume();
    const result = await session.kick("everyone", { name: "root" }, "no reason");
    expect(result).toMatchObject({ outcome: "ended", watchersTold: 2 });
    for (const view of views) {
      await view.over;
      expect(view.items.at(-1)).toMatchObject({ kind: "ended", cause: { kind: "kicked", reason: "no reason" } });
    }
  });

  it("are told of a kick although the first word got lost", async () => {
    const { session, channel } = await opened();
    const view = await far.watch(session.info);
    await until(() => session.info.attachments.length === 1 && view.items.length > 0, "he is seated");
    let lost = 0;
    far.bus.hearing = (on, _message, deliver) => (on === channel && lost++ === 0 ? undefined : deliver());
    expect(await session.kick("everyone", { name: "root" }, "out")).toMatchObject({ watchersTold: 1 });
    await view.over;
  });

  it("are taken off one by one: told why, gone from the list, the others stay", async () => {
    const { session, print, shown } = await opened();
    const view = await far.watch(session.info, { name: "carol" });
    const other = await far.watch(session.info, { name: "dave" });
    await until(() => session.info.attachments.length === 2, "both are seated");
    const result = await session.kick(view.attachment.self.id, { name: "root" }, "not you");
    expect(result).toEqual({ outcome: "ended", watchersTold: 1 });
    await view.over;
    expect(view.items.at(-1)).toMatchObject({ kind: "ended", cause: { kind: "kicked", reason: "not you" } });
    expect(session.info.attachments.map(({ who }) => who.name)).toEqual(["dave"]);
    await print("still here");
    await shown(other);
    await expect(session.kick(view.attachment.self.id, { name: "root" }, "again")).rejects.toMatchObject({
      word: "not-found",
    });
  });

  it("whose node is silent are not said to be off, and are told as soon as it is heard", async () => {
    const { session } = await opened();
    const view = await far.watch(session.info);
    const other = await far.watch(session.info);
    await until(() => session.info.attachments.length === 2, "both are seated");
    far.bus.hearing = (on, _message, deliver) => (on === groupNames.inbox(far.self) ? undefined : deliver());
    const kick = () => session.kick(view.attachment.self.id, { name: "root" }, "not you");
    const unreachable = { outcome: "unreachable", watchersTold: 0, orderLeft: true };
    expect(await kick()).toEqual(unreachable);
    expect(session.info.attachments.length).toBe(2);
    expect(await kick()).toEqual(unreachable);
    far.bus.hearing = (_on, _message, deliver) => deliver();
    await other[Symbol.asyncDispose]();
    await view.over;
    expect(view.items.at(-1)).toMatchObject({ kind: "ended", cause: { kind: "kicked", reason: "not you" } });
    await until(() => holder.relay.watchedElsewhere() === 0, "nobody watches");
    expect(session.info.attachments).toEqual([]);
  });

  it("do not come back with their node, however long it was away", async () => {
    const { session } = await opened();
    const view = await far.watch(session.info);
    await until(() => session.info.attachments.length === 1, "he is seated");
    far.bus.hearing = () => {};
    expect(await session.kick(view.attachment.self.id, { name: "root" }, "not you")).toMatchObject({
      outcome: "unreachable",
    });
    // Nothing was heard of it for so long that it was given up.
    holder.relay.gone(far.self);
    expect(holder.relay.watchedElsewhere()).toBe(0);
    far.bus.hearing = (_on, _message, deliver) => deliver();
    far.bus.interrupted();
    await view.over;
    expect(view.items.at(-1)).toMatchObject({ kind: "ended", cause: { kind: "kicked", reason: "not you" } });
    expect(session.info.attachments).toEqual([]);
    await until(() => holder.relay.watchedElsewhere() === 0, "nobody watches");
  });

  it("learn of an end that they missed altogether", async () => {
    const { session, pty, channel } = await opened();
    const view = await far.watch(session.info);
    await until(() => session.info.attachments.length === 1 && view.items.length > 0, "he is seated");
    far.bus.hearing = (on, _message, deliver) => (on === channel ? undefined : deliver());
    pty.exit(exited);
    await until(() => holder.registry.size === 0, "it ended");
    far.bus.interrupted();
    await view.over;
    expect(view.items.at(-1)).toMatchObject({ kind: "ended", cause: exited });
  });

  it("learn of an end from the list of sessions, and are counted all the same", async () => {
    const { session, sees, channel } = await opened();
    const view = await far.watch(session.info);
    await sees(view);
    await until(() => session.info.attachments.length === 1, "he is seated");
    far.bus.hearing = (on, _message, deliver) => (on === channel ? undefined : deliver());
    const kicked = session.kick("everyone", { name: "root" }, "out");
    await until(() => session.info.ended !== undefined, "it ended");
    far.mirrors.ended(session.info);
    expect(await kicked).toMatchObject({ watchersTold: 1 });
    await view.over;
    expect(view.items.at(-1)).toMatchObject({ kind: "ended", cause: { kind: "kicked" } });
  });
});
