/** How channels and records are called. Session ids name their holder, so nobody has to look it up. */
import { randomBytes } from "node:crypto";
import type { SessionId } from "../events.ts";

/** Names one run of one node: "web1.k3f9x2ab4cd5"; never used again. The name before the dot is the node's own. */
export type NodeId = string & { readonly __node: never };

const letters = "abcdefghijkmnpqrstuvwxyz23456789";

/** A fresh id for this run of the node; 60 random bits beside the node's own name. */
export function createNodeId(node: string): NodeId {
  return `${node}.${Array.from(randomBytes(12), (byte) => letters[byte % letters.length]).join("")}` as NodeId;
}

/** Whether it has the form of one. */
export function isNodeId(text: string): text is NodeId {
  return /^[a-z0-9]{1,20}\.[a-z0-9]{12}$/.test(text);
}

/** Who holds the session; undefined for what is no session id of a group. */
export function holderOf(session: string): NodeId | undefined {
  const node = /^([a-z0-9]{1,20}\.[a-z0-9]{12})-[A-Za-z0-9]{12}$/.exec(session)?.[1];
  return node as NodeId | undefined;
}

/** The node's own name. */
export function nodeNameOf(node: NodeId): string {
  return node.slice(0, node.indexOf("."));
}

/** Every name of one deployment. A session's names share a hash tag, and so do a node's. */
export interface Names {
  /** Channel: what one session shows. */
  output(session: SessionId): string;
  /** Channel: what is said to one node. */
  inbox(node: NodeId): string;
  /** Channel: a node's signs of life and the changes of its list. */
  list(node: NodeId): string;
  /** Record: the sessions of a node, one field each; its life is the lease. */
  sessions(node: NodeId): string;
  /** Record: orders for a node that was away. */
  orders(node: NodeId): string;
  /** Value: this run of the node is over for certain. */
  dead(node: NodeId): string;
  /** Value: how a session ended. */
  tombstone(session: SessionId): string;
  /** Set: nodes that were seen. */
  readonly nodes: string;
  /** Record: the locks, one field each. */
  readonly locks: string;
  /** Channel: a node says that it is there, or knows of another that is not any more. */
  readonly hello: string;
}

/** `prefix`: small letters and digits, one for each deployment on the same Redis. */
export function createNames(prefix: string): Names {
  return {
    output: (session) => `${prefix}:{${session}}:o`,
    inbox: (node) => `${prefix}:{n.${node}}:in`,
    list: (node) => `${prefix}:{n.${node}}:d`,
    sessions: (node) => `${prefix}:{n.${node}}:s`,
    orders: (node) => `${prefix}:{n.${node}}:ord`,
    dead: (node) => `${prefix}:{n.${node}}:dead`,
    tombstone: (session) => `${prefix}:{${session}}:end`,
    nodes: `${prefix}:nodes`,
    locks: `${prefix}:{nodes}:locks`,
    hello: `${prefix}:{nodes}:hello`,
  };
}
