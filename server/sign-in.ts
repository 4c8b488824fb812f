/** The way into the page: one-time codes and the tokens they give; on one node, or on every node of a group alike. */
import { type AskRedeem, codeOfNode, createCodeMarks, createRedeem, redeemHere } from "./access/group-links.ts";
import { createGroupPageTokens, type PageTokenNews } from "./access/group-page-tokens.ts";
import { type Link, Links } from "./access/links.ts";
import { MemoryPageTokens, type PageToken } from "./access/page-tokens.ts";
import type { Caller, RoleName } from "./access/policy.ts";
import type { Credential } from "./access/principals.ts";
import type { Throttle } from "./access/throttle.ts";
import { BartizanFault } from "./errors.ts";
import type { Clock } from "./flow/clock.ts";
import type { Inbox } from "./group/inbox.ts";
import { type NodeId, nodeNameOf } from "./group/names.ts";
import type { Log } from "./log.ts";

/** The other nodes, for who is one of several. */
export interface SignInGroup {
  readonly self: NodeId;
  readonly inbox: Inbox;
  /** The nodes that give signs of life, without this one. */
  readonly others: () => readonly NodeId[];
}

export interface SignInNeeds {
  readonly clock: Clock;
  readonly log: Log;
  /** The deployment's; none: tokens are kept in memory, and are worth nothing after a restart. */
  readonly keys: readonly Buffer[];
  readonly group?: SignInGroup | undefined;
  /** What somebody of that name may do on this node now; undefined: he is not known here, or not any more. */
  readonly rolesOf: (name: string) => ReadonlySet<RoleName> | undefined;
  /** Of wrong codes. */
  readonly throttle: Pick<Throttle, "failed">;
}

export interface SignIn extends Disposable {
  /** A code for this caller: good for two minutes, once, on every node that hears this one. */
  createLink(caller: Caller): Link;
  /** Throws as `redeemHere`, and `holder-unreachable` when the node that made the code does not answer. */
  redeem(code: string, address: string, signal: AbortSignal): Promise<{ caller: Caller; token: PageToken }>;
  /** As `PageTokens.credentialOf`. */
  credentialOf(token: string, call: AbortSignal): Credential | undefined;
}

const redeemMs = 3000;

export function createSignIn(needs: SignInNeeds): SignIn {
  const { clock, log, keys, group, rolesOf, throttle } = needs;
  const links = new Links(clock);
  const marks = createCodeMarks(keys);
  const redeemAnywhere = group && createRedeem({ links, self: group.self, marks, ask: askOf(group), throttle, clock });
  const shared =
    keys.length === 0
      ? undefined
      : createGroupPageTokens({
          ...{ keys, clock, rolesOf },
          ...(group === undefined ? {} : { tell: (news: PageTokenNews) => tell(group, news, log) }),
        });
  const tokens = shared ?? new MemoryPageTokens(clock, rolesOf);
  using opening = new DisposableStack();
  if (shared !== undefined) opening.use(shared);
  if (group !== undefined) {
    const { inbox } = group;
    opening.use(
      inbox.on("redeem", ({ codeDigest }, from, reply) => {
        const caller = links.take(codeDigest);
        if (caller !== undefined) log.info({ by: caller.name, on: from }, "link redeemed on another node");
        reply({ case: "redeemed", value: { name: caller?.name ?? "", roles: [...(caller?.roles ?? [])] } });
      }),
    );
    opening.use(
      inbox.on("pageUses", ({ tokenIds, endedIds }) =>
        shared?.toldElsewhere({ used: tokenIds.map(textOf), ended: endedIds.map(textOf) }),
      ),
    );
  }
  const held = opening.move();
  return {
    createLink(caller) {
      const { code, expiresAtMs } = links.create(caller);
      return { code: group === undefined ? code : codeOfNode(marks, group.self, code), expiresAtMs };
    },
    async redeem(code, address, signal) {
      const caller =
        redeemAnywhere === undefined
          ? redeemHere(links, throttle, code, address)
          : await redeemAnywhere({ code, address, signal });
      if (shared !== undefined && rolesOf(caller.name) === undefined)
        throw new BartizanFault(
          "forbidden",
          `${caller.name} is not known on this node.`,
          "Every node of a group needs the same principals in its config.",
        );
      return { caller, token: tokens.issue(caller) };
    },
    credentialOf: (token, call) => tokens.credentialOf(token, call),
    [Symbol.dispose]: () => held.dispose(),
  };
}

function askOf({ inbox }: SignInGroup): AskRedeem {
  return async (node, codeDigest, signal) => {
    const to = node as NodeId;
    try {
      return await inbox.ask(to, { case: "redeem", value: { codeDigest } }, "redeemed", redeemMs, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw new BartizanFault(
        "holder-unreachable",
        `The node ${nodeNameOf(to)}, which made this link, does not answer.`,
        "Run `npx bartizan link` for a new one.",
        error,
      );
    }
  };
}

function textOf(id: Uint8Array): string {
  return Buffer.from(id).toString("base64url");
}

/** What gets lost of uses costs somebody a new link after two hours, no more; what was ended is told again each minute. */
function tell({ inbox, others }: SignInGroup, { used, ended }: PageTokenNews, log: Log): void {
  const [tokenIds, endedIds] = [used, ended].map((ids) => ids.map((id) => Buffer.from(id, "base64url")));
  for (const node of others())
    inbox
      .send(node, { case: "pageUses", value: { tokenIds: tokenIds ?? [], endedIds: endedIds ?? [] } })
      .catch((error) => log.debug({ err: error, node }, "another node does not know which pages are in use here"));
}
