/** Gathers what shells can be opened on: the config's targets, ssh_config's hosts, and the demo that it starts. */
import { join } from "node:path";
import type { Config } from "./config.ts";
import { faultFrom } from "./errors.ts";
import { openDemo } from "./target/demo.ts";
import { createInventory, type Inventory } from "./target/inventory.ts";
import { loadSshConfig } from "./target/ssh-config.ts";
import type { Target } from "./target/target.ts";

export interface OpenInventory extends Inventory, AsyncDisposable {
  /** What was left out, and why. */
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
}

/** Disposing, or `signal`, ends the demo and its shells. A demo that cannot start is skipped, not fatal. */
export async function openInventory(config: Config, signal: AbortSignal): Promise<OpenInventory> {
  await using opening = new AsyncDisposableStack();
  const { targets, skipped } = await targetsOf(config);
  if (config.demo) {
    try {
      targets.push(opening.use(await openDemo(signal, { home: config.home })).target);
    } catch (error) {
      signal.throwIfAborted();
      skipped.push({ name: "demo", why: faultFrom(error).message });
    }
  }
  const { find, list } = createInventory(targets);
  const held = opening.move();
  return { find, list, skipped, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** All that it would offer; starts nothing. */
export async function listTargets(config: Config): Promise<readonly Pick<Target, "name" | "labels">[]> {
  return [...(await targetsOf(config)).targets, ...(config.demo ? [{ name: "demo", labels: {} }] : [])];
}

async function targetsOf(config: Config): Promise<{ targets: Target[]; skipped: { name: string; why: string }[] }> {
  const targets = config.targets.map((target) => targetOfConfig(target, config));
  if (config.sshConfig === false) return { targets, skipped: [] };
  const { home, user, agentSocket } = config;
  const found = await loadSshConfig({
    ...{ home, user, file: config.sshConfig },
    ...(agentSocket === undefined ? {} : { agentSocket }),
    acceptedKeysFile: acceptedKeysFile(config),
  });
  return { targets: [...targets, ...found.targets], skipped: [...found.skipped] };
}

/** Where host keys that operators accepted are kept. */
function acceptedKeysFile(config: Config): string {
  return join(config.data, "known_hosts");
}

function targetOfConfig(target: Config["targets"][number], config: Config): Target {
  const { name, host, port, key, agent, hostKey, labels, allowLocal } = target;
  const agentSocket = agent === true ? config.agentSocket : agent === false ? undefined : agent;
  const accepted = acceptedKeysFile(config);
  return {
    ...{ name, host, port, labels, allowLocal, kind: "ssh", source: "config" },
    user: target.user ?? config.user,
    credentials: {
      ...(key === undefined ? {} : { keyFile: key }),
      ...(agentSocket === undefined ? {} : { agentSocket }),
    },
    hostKeys: hostKey === undefined ? [] : [hostKey].flat(),
    knownHostsFiles: [join(config.home, ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts", accepted],
    acceptedKeysFile: accepted,
  };
}
