/** An ssh-agent's keys as agents of one key each: ssh2 offered a whole agent at once, and lost count in logins of several steps. */
import type { BaseAgent, ParsedKey } from "ssh2";
import type { Clock } from "../flow/clock.ts";

/** For listing, and for one signature: an agent may ask its owner to confirm. */
const agentMs = 60_000;

/** The two values of ssh2 used here, handed over by the room's door to it. */
export interface AgentParts {
  readonly BaseAgent: { readonly prototype: object };
  createAgent(socketPath: string): BaseAgent;
}

type Settle<T> = (error?: Error | null, value?: T) => void;

/** One agent per key. Rejects when the agent cannot be reached. */
export function agentKeys(parts: AgentParts, socketPath: string, clock: Clock): Promise<readonly BaseAgent[]> {
  const agent = parts.createAgent(socketPath);
  return new Promise((resolve, reject) => {
    const timer = clock.after(agentMs, () => reject(new Error("the agent does not answer")));
    agent.getIdentities((error, keys) => {
      timer[Symbol.dispose]();
      if (error) reject(error);
      else resolve((keys ?? []).map((key) => oneKey(parts, agent, key as ParsedKey, clock)));
    });
  });
}

function oneKey(parts: AgentParts, agent: BaseAgent, key: ParsedKey, clock: Clock): BaseAgent {
  // ssh2 takes for an agent what has its class's prototype.
  return Object.assign(Object.create(parts.BaseAgent.prototype) as BaseAgent, {
    getIdentities(settle: Settle<ParsedKey[]>) {
      settle(null, [key]);
    },
    sign(identity: ParsedKey, data: Buffer, options: object, settle: Settle<Buffer>) {
      let settled = false;
      const once: Settle<Buffer> = (error, signature) => {
        if (settled) return;
        settled = true;
        timer[Symbol.dispose]();
        // A bad signature given to ssh2 is an uncaught exception; an error is a refused key.
        if (error || !Buffer.isBuffer(signature)) settle(error ?? new Error("the agent gave no signature"));
        else settle(null, signature);
      };
      const timer = clock.after(agentMs, () => once(new Error("the agent does not answer")));
      agent.sign(identity, data, options, once);
    },
  });
}
