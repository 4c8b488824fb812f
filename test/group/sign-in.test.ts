import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Caller, RoleName } from "../../server/access/policy.ts";
import { openThrottle } from "../../server/access/throttle.ts";
import { openInbox } from "../../server/group/inbox.ts";
import { createMemoryHub, type MemoryHub } from "../../server/group/memory-bus.ts";
import { createGroupMeter } from "../../server/group/meter.ts";
import { createNames, createNodeId, type NodeId } from "../../server/group/names.ts";
import { createSealer } from "../../server/group/seal.ts";
import { createLog } from "../../server/log.ts";
import { createSignIn, type SignIn } from "../../server/sign-in.ts";
import { createHeldClock } from "../support/held-clock.ts";
import { until } from "../support/until.ts";

const alice: Caller = { name: "alice", roles: new Set(["operator", "auditor"]) };
const over = AbortSignal.abort();
const never = new AbortController().signal;
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const log = createLog("silent");
const names = createNames("bz");

let clock: ReturnType<typeof createHeldClock>;
let hub: MemoryHub;
let key: Buffer;
let opened: AsyncDisposableStack;
let ids: NodeId[];
beforeEach(() => {
  clock = createHeldClock();
  hub = createMemoryHub(clock);
  key = randomBytes(32);
  opened = new AsyncDisposableStack();
  ids = [];
});
afterEach(() => opened.disposeAsync());

interface NodeOptions {
  readonly keys?: readonly Buffer[];
  readonly roles?: () => Readonly<Record<string, readonly RoleName[]>>;
}

async function node(
  name: string,
  { keys = [key], roles }: NodeOptions = {},
): Promise<SignIn & { off(): PromiseLike<void> }> {
  const self = createNodeId(name);
  ids.push(self);
  const meter = createGroupMeter(clock);
  const sealer = createSealer({ keys, self, clock, log, meter });
  const bus = opened.use(hub.openBus());
  const inbox = opened.use(await openInbox({ bus, sealer, names, self, clock, log, meter }));
  const known = roles ?? ((): Readonly<Record<string, readonly RoleName[]>> => ({ alice: [...alice.roles] }));
  const signIn = opened.use(
    createSignIn({
      ...{ clock, log, keys },
      throttle: opened.use(openThrottle(clock, undefined, { net: { burst: 10, everyMs: 3000 } })),
      group: { self, inbox, others: () => ids.filter((id) => id !== self) },
      rolesOf: (who) => (known()[who] === undefined ? undefined : new Set(known()[who])),
    }),
  );
  return { ...signIn, off: () => inbox[Symbol.asyncDispose]() };
}

async function settled<T>(promise: Promise<T>): Promise<T> {
  let done = false;
  const end = promise.finally(() => {
    done = true;
  });
  end.catch(() => {});
  await until(() => {
    if (!done) clock.pass(50);
    return done;
  }, "it is answered");
  return end;
}

describe("a link's code in a group", () => {
  it("signs in on any node, once, and names the node that made it", async () => {
    const [a, b] = [await node("web1"), await node("web2")];
    const { code } = a.createLink(alice);
    expect(code).toMatch(/^web1-[a-z0-9]{12}-[\w-]{65}$/);
    const { caller, token } = await settled(b.redeem(code, "::1", never));
    expect(caller).toEqual(alice);
    expect(b.credentialOf(token.token, over)?.caller).toMatchObject({ name: "alice", byLink: true });
    for (const each of [a, b])
      await expect(settled(each.redeem(code, "::1", never))).rejects.toMatchObject({ word: "unauthenticated" });
  });

  it("is taken by one of two who show it to two nodes at once", async () => {
    const [a, b, c] = [await node("web1"), await node("web2"), await node("web3")];
    const { code } = a.createLink(alice);
    const both = await settled(
      Promise.allSettled([b.redeem(code, "x", never), c.redeem(code, "y", never), b.redeem(code, "z", never)]),
    );
    expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected", "rejected"]);
  });

  it("of a node that is away says so, and who asks is not kept waiting beyond three seconds", async () => {
    const [a, b] = [await node("web1"), await node("web2")];
    const { code } = a.createLink(alice);
    await a.off();
    const asked = clock.monotonicMs();
    const fault = await settled(b.redeem(code, "::1", never).catch((error) => error));
    expect(fault).toMatchObject({ word: "holder-unreachable", message: expect.stringContaining("web1") });
    expect(clock.monotonicMs() - asked).toBeLessThanOrEqual(3500);
  });

  it("that no node made is refused without asking another: strangers make no work on the bus, and keep nobody out", async () => {
    const [a, b] = [await node("web1"), await node("web2")];
    const right = a.createLink(alice).code;
    await a.off();
    const wrong = () => right.replace(/.{65}$/, randomBytes(49).toString("base64url").slice(0, 65));
    const words: string[] = [];
    // Nothing passes but turns: an asked node that is away would take three seconds.
    for (let tried = 0; tried < 21; tried += 1)
      words.push(await b.redeem(wrong(), "10.0.0.1", never).catch((error) => error.word));
    expect(words).toEqual([...Array(10).fill("unauthenticated"), ...Array(11).fill("limit")]);
    await expect(b.redeem(wrong(), "10.9.0.1", never)).rejects.toMatchObject({ word: "unauthenticated" });
  });

  it("is taken on another node when it is right, whatever rubbish others tried from there", async () => {
    const [a, b] = [await node("web1"), await node("web2")];
    const { code } = a.createLink(alice);
    for (let tried = 0; tried < 30; tried += 1)
      await b.redeem(code.replace(/.{65}$/, "x".repeat(65)), "10.0.0.1", never).catch(() => {});
    expect((await settled(b.redeem(code, "10.0.0.1", never))).caller).toEqual(alice);
    const used: string[] = [];
    for (let tried = 0; tried < 6; tried += 1)
      used.push(
        await settled(b.redeem(code, `10.${tried + 1}.0.9`, never)).then(
          () => "in",
          ({ word }) => word,
        ),
      );
    expect(used).toEqual([...Array(4).fill("unauthenticated"), "limit", "limit"]);
  });

  it("is worth nothing on a node that does not know its owner, and says why", async () => {
    const [a, b] = [await node("web1"), await node("web2", { roles: () => ({}) })];
    await expect(settled(b.redeem(a.createLink(alice).code, "::1", never))).rejects.toMatchObject({
      word: "forbidden",
      message: "alice is not known on this node.",
    });
  });
});

describe("a page's token in a group", () => {
  const tokenOf = async (signIn: SignIn) =>
    (await settled(signIn.redeem(signIn.createLink(alice).code, "::1", never))).token.token;

  it("is taken by every node with the deployment's key, also one that started later, and by no other", async () => {
    const a = await node("web1");
    const token = await tokenOf(a);
    expect(token.length).toBeLessThanOrEqual(512);
    const later = await node("web2");
    expect(later.credentialOf(token, over)?.caller).toMatchObject({ name: "alice", byLink: true });
    const foreign = await node("web3", { keys: [randomBytes(32)] });
    expect(foreign.credentialOf(token, over)).toBeUndefined();
  });

  it("is taken while its key is among those of the node, whichever seals now", async () => {
    const token = await tokenOf(await node("web1"));
    expect((await node("web2", { keys: [randomBytes(32), key] })).credentialOf(token, over)).toBeDefined();
  });

  it("is worth nothing when a single letter of it was changed", async () => {
    const a = await node("web1");
    const token = await tokenOf(a);
    for (let at = 4; at < token.length - 1; at += 7) {
      const changed = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
      expect(a.credentialOf(changed, over)).toBeUndefined();
    }
    for (const rubbish of ["bts_", `bts_${"A".repeat(43)}`, `${token}A`, "btp_x", ""])
      expect(a.credentialOf(rubbish, over)).toBeUndefined();
  });

  it("ends after twelve hours on every node, however much it is used", async () => {
    const [a, b] = [await node("web1"), await node("web2")];
    const token = await tokenOf(a);
    for (let hour = 0; hour < 11; hour += 1) {
      clock.pass(hourMs);
      expect(a.credentialOf(token, over)).toBeDefined();
      expect(b.credentialOf(token, over)).toBeDefined();
    }
    clock.pass(hourMs);
    expect(a.credentialOf(token, over)).toBeUndefined();
    expect(b.credentialOf(token, over)).toBeUndefined();
  });

  it("takes its streams with it after the twelve hours", async () => {
    const a = await node("web1");
    const stream = a.credentialOf(await tokenOf(a), never);
    clock.pass(12 * hourMs - 1);
    expect(stream?.again()?.name).toBe("alice");
    clock.pass(1);
    expect(stream?.again()).toBeUndefined();
  });

  it("is ended by who has it on every node, with its streams there, also on one that comes later, and no other is", async () => {
    const [a, b] = [await node("web1"), await node("web2")];
    const [token, other] = [await tokenOf(a), await tokenOf(a)];
    const [here, there] = [a.credentialOf(token, never), b.credentialOf(token, never)];
    here?.end?.();
    expect([here?.again(), a.credentialOf(token, over)]).toEqual([undefined, undefined]);
    await until(() => there?.again() === undefined, "the other node knows");
    expect(b.credentialOf(token, over)).toBeUndefined();
    const later = await node("web3");
    clock.pass(minuteMs);
    await until(() => later.credentialOf(token, over) === undefined, "the later one knows");
    for (const each of [a, b, later]) expect(each.credentialOf(other, over)).toBeDefined();
  });

  it("ends after two idle hours, and its use on another node is use", async () => {
    const [a, b] = [await node("web1"), await node("web2")];
    const [used, idle] = [await tokenOf(a), await tokenOf(a)];
    const stream = new AbortController();
    expect(a.credentialOf(used, stream.signal)).toBeDefined();
    // An open stream on one node, for five hours; the other node has only heard of it.
    for (let minute = 0; minute < 300; minute += 1) {
      clock.pass(minuteMs);
      await Promise.resolve();
    }
    expect(b.credentialOf(used, over)).toBeDefined();
    for (const each of [a, b]) expect(each.credentialOf(idle, over)).toBeUndefined();
    stream.abort();
    clock.pass(2 * hourMs);
    for (const each of [a, b]) expect(each.credentialOf(used, over)).toBeUndefined();
  });

  it("that was in use where nobody could be heard is refused after two hours, and a node that starts counts anew", async () => {
    const [a, b] = [await node("web1"), await node("web2")];
    const token = await tokenOf(a);
    await b.off();
    for (let minute = 0; minute < 130; minute += 1) {
      expect(a.credentialOf(token, over)).toBeDefined();
      clock.pass(minuteMs);
      await Promise.resolve();
    }
    expect(b.credentialOf(token, over)).toBeUndefined();
    const later = await node("web3");
    expect(later.credentialOf(token, over)).toBeDefined();
    clock.pass(2 * hourMs);
    expect(later.credentialOf(token, over)).toBeUndefined();
  });

  it("loses what its owner loses: a role at once, and everything when he is taken out", async () => {
    let roles: Record<string, RoleName[]> = { alice: ["operator", "auditor"] };
    const a = await node("web1", { roles: () => roles });
    const token = await tokenOf(a);
    roles = { alice: ["auditor", "admin"] };
    expect([...(a.credentialOf(token, over)?.caller.roles ?? [])]).toEqual(["auditor"]);
    roles = {};
    expect(a.credentialOf(token, over)).toBeUndefined();
  });
});
