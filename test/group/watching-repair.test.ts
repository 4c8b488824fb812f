/** Whatever the bus loses, repeats or turns around: the watcher on another node has the right screen, and is told. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { kinds } from "../../server/group/seal.ts";
import { openedOn, openTwoNodes, scribble, size, type TwoNodes } from "../support/far-watching.ts";
import { type GroupNode, groupNames, openGroupNode, stateAfter } from "../support/group-node.ts";
import { randomFrom } from "../support/random.ts";
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

describe("whatever the bus does", () => {
  it("frames that get lost, come twice or overtake each other: the watcher's screen is exact", async () => {
    const { session, print, all, shown, channel } = await opened();
    const random = randomFrom(11);
    const view = await far.watch(session.info);
    await until(() => view.items.length > 0, "he sees it");
    const delayed: (() => void)[] = [];
    far.bus.hearing = (on, _message, deliver) => {
      const fate = on === channel ? random.below(10) : 9;
      if (fate === 0) return;
      if (fate === 1) {
        delayed.push(deliver);
        return;
      }
      deliver();
      if (fate === 2) deliver();
      for (const late of delayed.splice(0)) late();
    };
    for (const piece of scribble(3, 400)) {
      await print(piece);
      if (random.below(3) === 0) await new Promise((resolve) => setTimeout(resolve, 9));
    }
    far.bus.hearing = (_on, _message, deliver) => deliver();
    await print("the end");
    await shown(view);
    expect(view.state()).toEqual(stateAfter(size, all()));
    const { gaps, resumes, rejected } = far.meter.counts();
    expect(gaps.hole).toBeGreaterThan(0);
    expect(resumes.ring).toBeGreaterThan(0);
    // What came twice was not believed the second time.
    expect(rejected.replayed).toBeGreaterThan(0);
  });

  it("a resize was lost: the next screen says the size to those who do not need it, too", async () => {
    const { session, print, shown, channel } = await opened();
    const view = await far.watch(session.info);
    await print("before");
    await shown(view);
    const wide = { cols: 120, rows: 30 };
    far.bus.hearing = (on, _message, deliver) => (on === channel ? undefined : deliver());
    const operator = await session.attach({ name: "alice" }, "operator", { size: wide }, new AbortController().signal);
    await until(() => session.info.size.cols === wide.cols, "it is resized");
    await new Promise((resolve) => setImmediate(resolve));
    far.bus.hearing = (_on, _message, deliver) => deliver();
    // For somebody else; whoever was there is in step.
    await holder.inbox.send(holder.self, { case: "resume", value: { sessionId: session.info.id } });
    await until(() => view.items.some((item) => item.kind === "resize"), "he is told the size");
    expect(view.items.find((item) => item.kind === "resize")).toMatchObject({ size: wide });
    operator.keyboard?.hangUp();
    for await (const _ of operator.view);
  });

  it("the last frame before silence was lost: the holder's word on where it stands repairs that", async () => {
    const { session, print, all, shown, channel } = await opened();
    const view = await far.watch(session.info);
    await until(() => view.items.length > 0, "he sees it");
    far.bus.hearing = (on, _message, deliver) => (on === channel ? undefined : deliver());
    await print("nobody hears this");
    await until(() => holder.relay.ticks().length > 0, "it was published");
    far.bus.hearing = (_on, _message, deliver) => deliver();
    far.mirrors.tick(holder.self, [{ sessionId: session.info.id, offset: all().length }]);
    await shown(view);
    expect(far.meter.counts()).toMatchObject({ gaps: { tail: 1 }, resumes: { ring: 1 } });
    // Said twice: the word may get lost with the frame.
    expect(holder.relay.ticks().length).toBe(1);
    expect(holder.relay.ticks()).toEqual([]);
    far.mirrors.tick(holder.self, [{ sessionId: session.info.id, offset: all().length }]);
    expect(view.state()).toEqual(stateAfter(size, all()));
  });

  it("subscriptions were interrupted: bytes of the holder's ring when it was short, a key frame when it was long", async () => {
    const { session, print, all, shown, channel } = await opened();
    const view = await far.watch(session.info);
    await until(() => view.items.length > 0, "he sees it");
    const deaf = async (text: string) => {
      far.bus.hearing = (on, _message, deliver) => (on === channel ? undefined : deliver());
      await print(text);
      await until(() => holder.relay.ticks().some(({ offset }) => offset === all().length), "it was published");
      far.bus.hearing = (_on, _message, deliver) => deliver();
      far.bus.interrupted();
      await shown(view);
      expect(view.state()).toEqual(stateAfter(size, all()));
    };
    far.bus.interrupted();
    await deaf("short\r\n");
    expect(far.meter.counts()).toMatchObject({ gaps: { interrupted: 1 }, resumes: { ring: 1 } });
    await deaf("long\r\n".repeat(10_000));
    expect(far.meter.counts().gaps).toEqual({ interrupted: 2 });
    expect(view.items.filter(({ kind }) => kind === "key-frame").at(-1)).toMatchObject({ skippedBytes: 60_000 });
  });

  it("a resize was lost: the next output brings it", async () => {
    const { session, print, shown, channel, all } = await opened();
    const leaving = new AbortController();
    const operator = await session.attach({ name: "alice" }, "operator", {}, leaving.signal);
    void (async () => {
      for await (const _item of operator.view);
    })().catch(() => {});
    const view = await far.watch(session.info);
    await until(() => view.items.length > 0, "he sees it");
    far.bus.hearing = (on, _message, deliver) => (on === channel ? undefined : deliver());
    operator.keyboard?.resize({ cols: 40, rows: 10 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    far.bus.hearing = (_on, _message, deliver) => deliver();
    await print("x".repeat(50));
    await shown(view);
    expect(view.state()).toEqual(stateAfter(size, { cols: 40, rows: 10 }, all()));
  });

  it("publishing fails for a while: nothing is lost, and the session does not notice", async () => {
    const { session, print, all, shown } = await opened();
    const view = await far.watch(session.info);
    await until(() => view.items.length > 0, "he sees it");
    holder.bus.sending = () => "fail";
    await print("into the dark\r\n");
    await until(() => holder.meter.counts().publishFailures > 0, "a publish failed");
    holder.bus.sending = () => "pass";
    await shown(view);
    holder.bus.setState({ up: false, sinceMs: 0, reason: "the test cut it" });
    await print("more\r\n".repeat(40));
    holder.bus.setState({ up: true, sinceMs: 0 });
    await shown(view);
    expect(view.state()).toEqual(stateAfter(size, all()));
  });

  it("what is said to others while one is joining is no replay", async () => {
    const { session, print, shown } = await opened();
    const view = await far.watch(session.info);
    await print("before");
    await shown(view);
    await using third = await openGroupNode(nodes.hub, "web3");
    const answers: (() => void)[] = [];
    third.bus.hearing = (on, _message, deliver) =>
      on === groupNames.inbox(third.self) ? void answers.push(deliver) : deliver();
    // Not answered for as long as others go on being told; it asks again, and is answered to that.
    let asked = 0;
    holder.bus.hearing = (on, _message, deliver) => {
      if (on === groupNames.inbox(holder.self) && asked++ === 0) return;
      deliver();
    };
    const joining = third.watch(session.info);
    await until(() => asked > 0, "it asks");
    await print("to the others");
    await until(() => answers.length > 0, "it is answered");
    third.bus.hearing = (_on, _message, deliver) => deliver();
    for (const answer of answers) answer();
    await shown(await joining);
    expect(third.meter.counts().rejected).toEqual({});
  });

  it("replayed frames of an earlier time that the session was watched are not believed", async () => {
    const { session, print, all, shown, channel } = await opened();
    const taped: Uint8Array[] = [];
    far.bus.hearing = (on, message, deliver) => {
      if (on === channel) taped.push(message);
      deliver();
    };
    const first = await far.watch(session.info);
    await print("secret\r\n");
    await shown(first);
    await first[Symbol.asyncDispose]();
    await print("\x1b[2J\x1b[Hgone\r\n");
    far.bus.hearing = (_on, _message, deliver) => deliver();
    const second = await far.watch(session.info);
    for (const message of taped) await holder.bus.publish(channel, message);
    await print("on\r\n");
    await shown(second);
    expect(second.state()).toEqual(stateAfter(size, all()));
    expect(far.meter.counts().rejected.replayed).toBe(taped.length);
  });

  it("frames sealed by one of us who does not hold the session are not believed", async () => {
    const { session, print, all, shown, channel } = await opened();
    const view = await far.watch(session.info);
    await until(() => view.items.length > 0, "he sees it");
    await far.bus.publish(channel, far.sealer.seal(kinds.data, channel, Buffer.alloc(40)));
    await print("on\r\n");
    await shown(view);
    expect(view.state()).toEqual(stateAfter(size, all()));
    expect(far.meter.counts().rejected.forged).toBe(1);
  });
});

describe("how far the holder can be heard", () => {
  it("is told in the view; a holder that is heard again goes on without a gap", async () => {
    const { session, print, all, shown } = await opened();
    const view = await far.watch(session.info);
    await until(() => view.items.length > 0, "he sees it");
    far.mirrors.holderReach(holder.self, "unreachable", "web1 is silent");
    far.mirrors.holderReach(holder.self, "unreachable", "web1 is silent");
    await print("meanwhile\r\n");
    far.mirrors.holderReach(holder.self, "live", "");
    await shown(view);
    far.bus.setState({ up: false, sinceMs: 0, reason: "no Redis" });
    far.mirrors.holderReach(holder.self, "unreachable", "web1 is silent");
    far.bus.setState({ up: true, sinceMs: 0 });
    far.mirrors.holderReach(holder.self, "live", "");
    await until(() => view.items.filter(({ kind }) => kind === "reach").length === 5, "all was told");
    const words = view.items.flatMap((item) => (item.kind === "reach" ? [item.reach] : []));
    expect(words).toEqual(["unreachable", "live", "stale", "unreachable", "live"]);
    expect(view.state()).toEqual(stateAfter(size, all()));
  });
});
