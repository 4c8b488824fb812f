/** Page tokens that every node with the deployment's key takes: sealed, with name, roles and end inside. Stored is which were ended. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import type { Clock } from "../flow/clock.ts";
import { idleMs, longestMs, type PageToken, type PageTokens } from "./page-tokens.ts";
import { type Caller, type RoleName, roleNames } from "./policy.ts";

const form = /^bts_[A-Za-z0-9_-]{40,508}$/;
const saltBytes = 16;
const tagBytes = 16;
/** Each token has a key of its own, so one nonce does for all. */
const nonce = Buffer.alloc(12);
/** Tokens whose use is remembered; at the bound the longest unused is counted anew from the node's start. */
const maxKnown = 10_000;
/** Tokens that were ended before their time; at the bound the one ended first is forgotten. */
const maxEnded = 10_000;
/** What is new is told to the other nodes this often, and as long as there are any, which were ended: some may just have come. */
const tellMs = 60_000;
/** Of one message; the rest goes with the next. */
const maxTold = 1000;

/** Names a token without giving it away: its salt. */
export type PageTokenId = string;

export interface GroupPageTokensNeeds {
  /** The deployment's: the first seals, all open. */
  readonly keys: readonly Buffer[];
  readonly clock: Clock;
  /** What somebody of that name may do on this node now; undefined: he is not known here, or not any more. */
  readonly rolesOf: (name: string) => ReadonlySet<RoleName> | undefined;
  /** Tells the other nodes which were in use here within the last minute, and which were ended. Never throws. */
  readonly tell?: (news: PageTokenNews) => void;
}

export interface PageTokenNews {
  readonly used: readonly PageTokenId[];
  readonly ended: readonly PageTokenId[];
}

export interface GroupPageTokens extends PageTokens, Disposable {
  /** Another node says which were in use there within the last minute, and which were ended. */
  toldElsewhere(news: PageTokenNews): void;
}

interface Use {
  atMs: number;
  /** Calls that are being answered. */
  open: number;
}

/**
 * Twelve hours hold exactly, by the clocks of the two nodes. Two idle hours are counted from the last use that this node
 * knows of: its own, those that others told, the token's making, its own start. So after a restart an idle token is good
 * for two hours again, and one that was in use only on nodes that could not be heard may be refused. One that was ended is
 * worth nothing here at once, and on the nodes that hear of it; a node that starts hears of it within a minute.
 */
export function createGroupPageTokens(needs: GroupPageTokensNeeds): GroupPageTokens {
  const { keys, clock, rolesOf } = needs;
  const startedMs = clock.monotonicMs();
  /** By id, longest unused first. */
  const uses = new Map<PageTokenId, Use>();
  const untold = new Set<PageTokenId>();
  /** By id: until when it would have been good, by the monotonic clock. Longest ended first. */
  const ended = new Map<PageTokenId, number>();
  let telling: Disposable | undefined;
  let over = false;

  function touch(id: PageTokenId, use: Use): void {
    use.atMs = clock.monotonicMs();
    uses.delete(id);
    uses.set(id, use);
    for (const [oldest, { open }] of uses) {
      if (uses.size <= maxKnown) break;
      if (open === 0) uses.delete(oldest);
    }
  }

  function usedHere(id: PageTokenId, use: Use): void {
    touch(id, use);
    if (needs.tell === undefined || over || untold.size >= maxKnown) return;
    untold.add(id);
    telling ??= clock.after(tellMs, tell);
  }

  function noteEnded(id: PageTokenId, leftMs: number): void {
    const now = clock.monotonicMs();
    ended.set(id, ended.get(id) ?? now + leftMs);
    for (const [each, untilMs] of ended) if (untilMs <= now || ended.size > maxEnded) ended.delete(each);
  }

  function end(id: PageTokenId, leftMs: number): void {
    if (leftMs <= 0) return;
    noteEnded(id, leftMs);
    if (needs.tell === undefined || over) return;
    needs.tell({ used: [], ended: [id] });
    telling ??= clock.after(tellMs, tell);
  }

  function tell(): void {
    telling = undefined;
    const ids = [...untold].slice(0, maxTold);
    const now = clock.monotonicMs();
    for (const [id, untilMs] of ended) if (untilMs <= now) ended.delete(id);
    needs.tell?.({ used: ids, ended: [...ended.keys()].slice(-maxTold) });
    for (const id of ids) untold.delete(id);
    // An open stream is use all the time.
    for (const [id, { open }] of uses) if (open > 0) untold.add(id);
    if (untold.size > 0 || ended.size > 0) telling = clock.after(tellMs, tell);
  }

  return {
    issue({ name, roles }: Caller): PageToken {
      const expiresAtMs = clock.wallMs() + longestMs;
      const salt = randomBytes(saltBytes);
      const key = keys[0];
      if (key === undefined) throw new Error("a deployment without a key");
      const cipher = createCipheriv("aes-256-gcm", keyOf(key, salt), nonce);
      const plain = JSON.stringify([expiresAtMs, name, ...roles]);
      const sealed = Buffer.concat([salt, cipher.update(plain, "utf8"), cipher.final(), cipher.getAuthTag()]);
      return { token: `bts_${sealed.toString("base64url")}`, expiresAtMs };
    },

    credentialOf(token, call) {
      const opened = open(token, keys);
      if (opened === undefined) return undefined;
      const { id, expiresAtMs, name, roles } = opened;
      const now = clock.monotonicMs();
      const leftMs = expiresAtMs - clock.wallMs();
      if (leftMs <= 0 || ended.has(id)) return undefined;
      const use = uses.get(id) ?? { atMs: Math.max(startedMs, now - Math.max(0, longestMs - leftMs)), open: 0 };
      if (use.open === 0 && now - use.atMs >= idleMs) return undefined;
      // Whoever lost a role since then has lost it here, too.
      const again = (): Caller | undefined => {
        if (ended.has(id) || clock.wallMs() >= expiresAtMs) return undefined;
        const may = rolesOf(name);
        if (may === undefined) return undefined;
        const both = new Set(roleNames.filter((role) => roles.includes(role) && may.has(role)));
        return { name, roles: both, byLink: true, signedIn: "link" };
      };
      const caller = again();
      if (caller === undefined) return undefined;
      usedHere(id, use);
      if (!call.aborted) {
        use.open += 1;
        const closed = () => {
          use.open -= 1;
          usedHere(id, use);
        };
        call.addEventListener("abort", closed, { once: true });
      }
      return { caller, again, end: () => end(id, expiresAtMs - clock.wallMs()) };
    },

    toldElsewhere(news) {
      for (const id of news.used.slice(0, maxTold)) touch(id, uses.get(id) ?? { atMs: 0, open: 0 });
      // None is good for longer than the longest.
      for (const id of news.ended.slice(0, maxTold)) noteEnded(id, longestMs);
    },

    [Symbol.dispose]() {
      over = true;
      telling?.[Symbol.dispose]();
    },
  };
}

function keyOf(deployment: Buffer, salt: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", deployment, salt, "bartizan page token v1", 32));
}

/** What is sealed in the token; undefined when none of the keys opens it. */
function open(token: string, keys: readonly Buffer[]) {
  if (!form.test(token)) return undefined;
  const sealed = Buffer.from(token.slice(4), "base64url");
  const salt = sealed.subarray(0, saltBytes);
  for (const key of keys) {
    const decipher = createDecipheriv("aes-256-gcm", keyOf(key, salt), nonce);
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    try {
      const plain = Buffer.concat([decipher.update(sealed.subarray(saltBytes, -tagBytes)), decipher.final()]);
      const [expiresAtMs, name, ...roles] = JSON.parse(plain.toString()) as [number, string, ...string[]];
      return { id: salt.toString("base64url") as PageTokenId, expiresAtMs, name, roles };
    } catch {
      // Another key of the deployment may have sealed it.
    }
  }
  return undefined;
}
