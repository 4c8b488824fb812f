/** A session that another node holds: watched through a mirror, kicked by an order, and typed into only there. */
import { BartizanFault } from "../errors.ts";
import type { AttachmentId, Frozen, Principal, Role, SessionInfo } from "../events.ts";
import type { Attachment, AttachOptions, KickResult, LiveSession } from "../session/live-session.ts";
import type { Freezes } from "./freezes.ts";
import { type NodeId, nodeNameOf } from "./names.ts";
import type { Orders } from "./orders.ts";

export interface RemoteSessionNeeds {
  readonly info: SessionInfo;
  readonly holder: NodeId;
  /** Where clients reach the holder; empty when they cannot. */
  readonly address: string;
  readonly orders: Orders;
  readonly freezes: Freezes;
  /** Whether the holder is on the bus, as far as this node can know. */
  readonly isThere: () => Promise<boolean>;
  readonly watch: (who: Principal, options: AttachOptions, signal: AbortSignal) => Promise<Attachment>;
}

export class RemoteSession implements LiveSession {
  readonly #needs: RemoteSessionNeeds;

  constructor(needs: RemoteSessionNeeds) {
    this.#needs = needs;
  }

  get info(): SessionInfo {
    return this.#needs.info;
  }

  /** Input never takes the bus: throws `not-here` for an operator, with the holder's address. */
  async attach(who: Principal, role: Role, options: AttachOptions, signal: AbortSignal): Promise<Attachment> {
    const { holder, address, info, watch, isThere } = this.#needs;
    if (role === "watcher") return await watch(who, options, signal);
    // Nobody is sent where nobody is.
    if (info.unreachable === true || !(await isThere())) throw holderUnreachable(holder);
    throw new BartizanFault(
      "not-here",
      `Your shell is on the node ${nodeNameOf(holder)}, and can be used only there.`,
      address === ""
        ? "Let the balancer send calls with `bartizan-node` to the node of that name (docs/groups.md)."
        : `Go on at ${address}.`,
      undefined,
      address,
    );
  }

  kick(whom: AttachmentId | "everyone", by: Principal, reason: string, orderId: string): Promise<KickResult> {
    const { info, holder, orders } = this.#needs;
    return orders.kick({ session: info.id, holder, whom, by, reason, id: orderId });
  }

  /** Rejects with `holder-unreachable` when the holder does not answer: then nothing is known. */
  async freeze(by: Principal, reason: string): Promise<Frozen> {
    const { info, holder, freezes } = this.#needs;
    const frozen = await freezes.ask(info.id, holder, { by, reason });
    return frozen ?? { by, reason, sinceMs: 0 };
  }

  async unfreeze(by: Principal): Promise<void> {
    const { info, holder, freezes } = this.#needs;
    await freezes.ask(info.id, holder, { by, giveBack: true });
  }
}

/** That run of a node is over for certain. Said of every id that names it, whatever it named. */
export function holderOver(holder: NodeId): BartizanFault {
  return new BartizanFault(
    "not-found",
    `There is no such session any more: the node ${nodeNameOf(holder)} has stopped since, and its shells with it.`,
    "Open a new session.",
  );
}

/** Nothing can be said of what that node holds. */
export function holderUnreachable(holder: NodeId, cause?: unknown): BartizanFault {
  return new BartizanFault(
    "holder-unreachable",
    `The node ${nodeNameOf(holder)} cannot be heard.`,
    "What it holds may go on; try again in a moment.",
    cause,
  );
}
