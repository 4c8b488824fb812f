/** What it costs to ask who calls and whether he may: with and without, in pairs. Prints a table, writes JSON. `npm run bench:guard`. */
import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { cpus, loadavg } from "node:os";
import { create } from "@bufbuild/protobuf";
import { createConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { bearer, type Clients, createClients } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { SessionService, WatchResponseSchema } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { rulesFrom } from "../../server/access/built-in-rules.ts";
import { createAccessChanges } from "../../server/access/changes.ts";
import { createLoginMeter } from "../../server/access/login-meter.ts";
import { createPrincipals } from "../../server/access/principals.ts";
import { createRights } from "../../server/access/rights.ts";
import { createSignInNotes } from "../../server/access/sign-in-notes.ts";
import { openThrottle } from "../../server/access/throttle.ts";
import { digestOf } from "../../server/access/tokens.ts";
import { rulesOf } from "../../server/config-access.ts";
import { systemClock as clock } from "../../server/flow/clock.ts";
import { createLog } from "../../server/log.ts";
import { createGuard } from "../../server/rpc/guard.ts";
import { echoes, openBastionRoad, openBenchRig, quantile, ready } from "./bench-rig.ts";
import { createBenchTable } from "./bench-table.ts";
import { manyPolicies } from "./many-policies.ts";

const policies = 200;
const openings = 3000;
const table = createBenchTable();
const token = "t".repeat(43);

/** The guard with its real parts. Nothing is written to disk. */
function openGuard(held: AsyncDisposableStack): (context: HandlerContext) => void {
  const changes = createAccessChanges();
  const audit = { note() {}, write() {} };
  const local = { name: "alice", digest: digestOf(token), roles: ["operator", "auditor", "admin"] as const };
  const principals = createPrincipals({ local, principals: [], disabledUsers: [] }, changes);
  return createGuard({
    ...{ changes, clock, audit, log: createLog("silent"), linkMeter: createLoginMeter() },
    rights: createRights(rulesFrom(rulesOf(manyPolicies(policies))), changes),
    signIns: createSignInNotes(audit, clock),
    throttle: held.use(openThrottle(clock)),
    credentialOf: ({ token: given }) => (given === undefined ? undefined : principals.byToken(given)),
  });
}

/** Answers a Watch with one message and WhoAmI with an empty one: all that is left is the way there. */
async function openStub(held: AsyncDisposableStack, requestGate: (context: HandlerContext) => void): Promise<Clients> {
  const router = createConnectRouter({ requestGate });
  router.rpc(SessionService.method.watch, async function* () {
    yield create(WatchResponseSchema);
  });
  router.rpc(AccessService.method.whoAmI, () => ({}));
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const server = createServer((request, response) => {
    handlers
      .get(request.url)?.(universalRequestFromNodeRequest(request, response, undefined, undefined))
      .then((answer) => universalResponseToNodeResponse(answer, response))
      .catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  held.defer(async () => void server.close());
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return createClients(held.use(createNodeTransport({ baseUrl, interceptors: [bearer(token)] })));
}

async function took(run: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await run();
  return performance.now() - startedMs;
}

const watchOnce = async ({ sessions }: Clients) => {
  for await (const _ of sessions.watch({ sessionId: "x" }));
};
const callOnce = ({ access }: Clients) => access.whoAmI({});

async function benchOpening(): Promise<void> {
  await using held = new AsyncDisposableStack();
  const guarded = await openStub(held, openGuard(held));
  const bare = await openStub(held, () => {});
  for (const [what, open] of [
    ["opening a stream", watchOnce],
    ["a unary call", callOnce],
  ] as const) {
    const [without, with200]: [number[], number[]] = [[], []];
    const differences: number[] = [];
    for (let pair = -300; pair < openings; pair += 1) {
      // Who is first alternates: what the machine does besides hits both alike.
      const first = pair % 2 === 0;
      const one = await took(() => open(first ? bare : guarded));
      const other = await took(() => open(first ? guarded : bare));
      if (pair < 0) continue;
      const [plain, asked] = first ? [one, other] : [other, one];
      without.push(plain);
      with200.push(asked);
      differences.push(asked - plain);
    }
    table.row(`${what}, p50 without the guard`, quantile(without, 0.5), "ms");
    table.row(`${what}, p50 with it and ${policies} policies`, quantile(with200, 0.5), "ms");
    const median = quantile(differences, 0.5);
    table.row(`${what}, what the guard adds (median of pairs)`, median, "ms", "<= 1 ms", median <= 1);
    table.row(`${what}, what it adds to p99`, quantile(with200, 0.99) - quantile(without, 0.99), "ms");
  }
}

/** Two real servers, one with policies; rounds in turn. */
async function benchKeys(): Promise<void> {
  await using none = await openBenchRig();
  await using many = await openBenchRig({ policies });
  await using bare = await openBastionRoad(none.clients(), none.sshd.target.name);
  await using asked = await openBastionRoad(many.clients(), many.sshd.target.name);
  for (const road of [bare, asked]) {
    await ready(road);
    await echoes(road, 500);
  }
  const [without, with200]: [number[], number[]] = [[], []];
  const ratios: number[] = [];
  for (let round = 0; round < 20; round += 1) {
    const order = round % 2 === 0 ? [bare, asked] : [asked, bare];
    const times = new Map<object, number[]>();
    for (const road of order) times.set(road, await echoes(road, 100));
    const [plain, policed] = [times.get(bare) ?? [], times.get(asked) ?? []];
    without.push(...plain);
    with200.push(...policed);
    ratios.push(quantile(policed, 0.5) / quantile(plain, 0.5));
  }
  table.row("a key's echo, p50 with no policies", quantile(without, 0.5), "ms");
  table.row(`a key's echo, p50 with ${policies}`, quantile(with200, 0.5), "ms");
  const ratio = quantile(ratios, 0.5);
  const spread = quantile(ratios, 0.75) - quantile(ratios, 0.25);
  table.row("a key's echo, ratio (median of 20 rounds)", ratio, "x", "1 within spread", Math.abs(ratio - 1) <= spread);
  table.row("a key's echo, ratio between the quartiles of rounds", spread, "x");
}

await benchOpening();
await benchKeys();
table.write("guard", { cpus: cpus().length, load: loadavg()[0], policies, openings });
