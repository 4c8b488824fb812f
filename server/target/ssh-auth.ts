/** The login: what to try next, by what the server lists, with the operator's answers. No secret outlives its use. */
import type { AnyAuthMethod, BaseAgent, ParsedKey, Prompt } from "ssh2";
import { BartizanFault } from "../errors.ts";
import { printable, printableLines } from "../flow/printable.ts";
import { readKeyFile } from "./key-file.ts";
import { agentFault } from "./ssh-errors.ts";
import type { Answer, Ask, Question, Target } from "./target.ts";

/** OpenSSH gives six tries in all; each refused key is one. */
const maxTries = 3;
const maxAgentKeys = 4;
/** Rounds of questions of one login, counting those without a question: beyond this a server is playing. */
const maxRounds = 40;

/** What needs ssh2's values. */
export interface AuthTools {
  parseKey(data: Buffer | string, passphrase?: string): ParsedKey | Error;
  /** An agent that offers one of its keys only; one per key, in the agent's order. */
  agentKeys(socketPath: string): Promise<readonly BaseAgent[]>;
}

export interface AuthNeeds {
  readonly target: Target;
  readonly tools: AuthTools;
  readonly ask: Pick<Ask, "tell">;
  /** Asks the operator, within the dial's limits. */
  put(question: Question): Promise<Answer>;
}

export interface SshAuth {
  /** The next method to try. Rejects with the fault that ends the login when nothing is left. */
  next(): Promise<AnyAuthMethod>;
  /** What the server's last refusal listed; `partial`: the method before was right, another one is needed. */
  refused(methods: readonly string[], partial: boolean): void;
  /** A round of keyboard-interactive (RFC 4256); also those without a question, which are only told. */
  round(name: string, instructions: string, prompts: readonly Prompt[]): Promise<string[]>;
  /** The server wants a new password: the old one and the new. */
  changePassword(prompt: string): Promise<{ readonly old: string; readonly fresh: string }>;
  /** An agent could not sign: worth saying when all else fails too. */
  agentFailed(): void;
}

type Attempt = () => Promise<AnyAuthMethod | undefined>;

export function createSshAuth(need: AuthNeeds): SshAuth {
  const { target, tools } = need;
  const username = target.user;
  const who = `${printable(target.user)}@${target.name}`;
  let listed: readonly string[] | undefined;
  let keys: Attempt[] | undefined;
  let passwordTries = 0;
  let keyboardTries = 0;
  let rounds = 0;
  let password = "";
  let agentTrouble = false;
  const tried = new Set<string>();

  const keyAttempts = (): Attempt[] => {
    const { keyText, keyFile, agentSocket } = target.credentials;
    const attempts: Attempt[] = [];
    if (keyText !== undefined) attempts.push(async () => withKey(tools.parseKey(keyText.reveal())));
    let encrypted: Buffer | undefined;
    if (keyFile !== undefined) {
      attempts.push(async () => {
        const bytes = await readKeyFile(keyFile);
        const key = tools.parseKey(bytes);
        if (key instanceof Error && /encrypted/i.test(key.message)) {
          encrypted = bytes; // the agent may well have it: asking for the passphrase comes last
          return undefined;
        }
        return withKey(key);
      });
    }
    if (agentSocket !== undefined) {
      attempts.push(async () => {
        const agents = await tools.agentKeys(agentSocket).catch(() => {
          agentTrouble = true;
          return [];
        });
        const offers = agents.slice(0, maxAgentKeys).map((agent): Attempt => {
          return async () => ({ type: "agent", username, agent });
        });
        keys?.unshift(...offers);
        return undefined;
      });
    }
    if (keyFile !== undefined) {
      attempts.push(async () => (encrypted === undefined ? undefined : withPassphrase(keyFile, encrypted)));
    }
    return attempts;
  };

  const withKey = (key: ParsedKey | Error): AnyAuthMethod => {
    if (key instanceof Error || !key.isPrivateKey()) {
      const hint = "Name an unencrypted or OpenSSH-encrypted private key (not the .pub file).";
      throw new BartizanFault("config", `The private key for ${target.name} cannot be used.`, hint);
    }
    tried.add("key");
    return { type: "publickey", username, key };
  };

  const withPassphrase = async (keyFile: string, bytes: Buffer): Promise<AnyAuthMethod> => {
    for (let tries = 0; tries < maxTries; tries++) {
      const instructions = tries === 0 ? "" : "That passphrase was wrong.";
      const [passphrase = ""] = await answersTo("password", `Passphrase for ${printable(keyFile)}`, instructions, [
        { label: "Passphrase", echo: false },
      ]);
      const key = tools.parseKey(bytes, passphrase);
      if (!(key instanceof Error)) return withKey(key);
    }
    throw new BartizanFault("login-refused", "The passphrase of the key was wrong three times.", "Connect again.");
  };

  const answersTo = async (
    kind: "password" | "keyboard-interactive" | "new-password",
    title: string,
    instructions: string,
    questions: readonly { label: string; echo: boolean }[],
  ): Promise<string[]> => {
    const answer = await need.put({ kind, title, instructions, questions });
    if (!answer.accepted) {
      throw new BartizanFault("login-abandoned", `The login to ${target.name} was given up.`, "Connect again.");
    }
    return questions.map((_, index) => String(answer.answers[index] ?? ""));
  };

  const withPassword = async (): Promise<AnyAuthMethod> => {
    const instructions = passwordTries++ === 0 ? "" : "Permission denied, try again.";
    tried.add("password");
    [password = ""] = await answersTo("password", `Password for ${who}`, instructions, [
      { label: "Password", echo: false },
    ]);
    return { type: "password", username, password };
  };

  const nothingLeft = (): BartizanFault => {
    if (agentTrouble && tried.size === 0) return agentFault();
    const allowed = (listed ?? []).map((method) => printable(method, 40)).join(", ") || "nothing";
    const used = [...tried].join(", ") || "nothing that fits";
    return new BartizanFault(
      "login-refused",
      `${target.name} refused the login of ${printable(target.user)}: it allows ${allowed}; tried: ${used}.`,
      "Check the user name, and the key, agent or password that the target is to be entered with.",
    );
  };

  return {
    async next() {
      // "none" costs no try and brings the list of methods.
      if (listed === undefined) return { type: "none", username };
      if (listed.includes("publickey")) {
        keys ??= keyAttempts();
        for (let attempt = keys.shift(); attempt !== undefined; attempt = keys.shift()) {
          const method = await attempt();
          if (method !== undefined) {
            if (method.type === "agent") tried.add("agent");
            return method;
          }
        }
      }
      if (listed.includes("keyboard-interactive") && keyboardTries < maxTries) {
        keyboardTries++;
        tried.add("keyboard-interactive");
        // The questions come through `round`, by the handler of the connection.
        return { type: "keyboard-interactive", username, prompt: () => {} };
      }
      if (listed.includes("password") && passwordTries < maxTries) return await withPassword();
      throw nothingLeft();
    },
    refused(methods, partial) {
      listed = methods;
      if (!partial) return;
      passwordTries = 0;
      keyboardTries = 0;
      keys = keys === undefined ? undefined : keys.length > 0 ? keys : undefined;
    },
    async round(name, instructions, prompts) {
      if (++rounds > maxRounds) {
        throw new BartizanFault("target-protocol", `${target.name} asks without end.`, "Ask its administrator.");
      }
      if (prompts.length === 0) {
        const text = [name, instructions].filter((part) => part.trim() !== "").join("\n");
        if (text !== "") need.ask.tell("info", printableLines(text));
        return [];
      }
      const again =
        keyboardTries > 1 && instructions.trim() === ""
          ? "If this is the same question again, the last answer was wrong."
          : "";
      const questions = prompts
        .slice(0, 20)
        .map(({ prompt, echo }) => ({ label: printable(prompt, 300), echo: echo === true }));
      const title = printable(name, 200) || `Login to ${who}`;
      const answers = await answersTo("keyboard-interactive", title, printableLines(instructions) || again, questions);
      return prompts.map((_, index) => answers[index] ?? "");
    },
    async changePassword(prompt) {
      for (let tries = 0; tries < maxTries; tries++) {
        const told = printableLines(prompt) || `${target.name} wants a new password.`;
        const instructions = tries === 0 ? told : `The two were not the same. ${told}`;
        const [fresh = "", again = ""] = await answersTo("new-password", `New password for ${who}`, instructions, [
          { label: "New password", echo: false },
          { label: "The same again", echo: false },
        ]);
        if (fresh === again) {
          const old = password;
          password = fresh;
          return { old, fresh };
        }
      }
      throw new BartizanFault("login-abandoned", "The new password was not the same twice.", "Connect again.");
    },
    agentFailed() {
      agentTrouble = true;
    },
  };
}
