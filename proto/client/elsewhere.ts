/** Shells on other nodes of a group: how a call says where it belongs, and how it goes on where the server sends it. */

import type { SessionClient } from "./clients.ts";
import { faultOf } from "./faults.ts";
import { pauseFor } from "./pause.ts";

/** What may be done when the server says that another node holds the session. */
export interface ElsewhereOptions {
  /**
   * A client for the address of that node; it stays the caller's, and is asked for anew with each call. Undefined: that
   * address cannot be called.
   */
  readonly follow?: ((address: string) => SessionClient | undefined) | undefined;
  /** Where that cannot be followed, the call is made so often again: a balancer may lead to the right node. Default 0. */
  readonly knocks?: number | undefined;
}

const sessionForm = /^([a-z0-9]{1,20})\.[a-z0-9]{12}-/;
/** From one node to the next, and no further: each knows who holds what. */
const mostHops = 2;
const knockMs = 150;

/** Headers that let a balancer pass a call to the node that holds the session; none for ids without such a name. */
export function towards(sessionId: string | undefined): Record<string, string> {
  const node = nodeOf(sessionId);
  return node === undefined ? {} : { "bartizan-node": node };
}

/** The name of the node that holds the session of a group; undefined for other ids. */
export function nodeOf(sessionId: string | undefined): string | undefined {
  return sessionForm.exec(sessionId ?? "")?.[1];
}

/**
 * The messages of one call, made again where its session is. `call` gets a signal of its own for each attempt. Throws the
 * last attempt's error.
 */
export async function* callThere<Message>(
  client: SessionClient,
  options: ElsewhereOptions,
  signal: AbortSignal,
  call: (client: SessionClient, signal: AbortSignal) => AsyncIterable<Message>,
): AsyncGenerator<Message> {
  let next = client;
  let hops = 0;
  let knocks = 0;
  for (;;) {
    const attempt = new AbortController();
    try {
      yield* call(next, AbortSignal.any([signal, attempt.signal]));
      return;
    } catch (error) {
      const { word, address } = faultOf(error);
      if (word !== "not-here" || signal.aborted) throw error;
      const there = address === "" || hops >= mostHops ? undefined : options.follow?.(address);
      if (there !== undefined) {
        hops += 1;
        next = there;
      } else if (knocks < (options.knocks ?? 0)) {
        knocks += 1;
        next = client;
        await pauseFor(knockMs * knocks, signal);
      } else throw error;
    } finally {
      attempt.abort();
    }
  }
}
