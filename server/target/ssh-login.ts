/** One login over a fresh ssh2 client: its events, the host's key, the methods, the stages. Settles on whatever comes first. */
import type { Socket } from "node:net";
import type { Algorithms, AnyAuthMethod, Client, Prompt, ServerHostKeyAlgorithm } from "ssh2";
import { BartizanFault } from "../errors.ts";
import { printableLines } from "../flow/printable.ts";
import type { SshAuth } from "./ssh-auth.ts";
import { closedFault, faultFromSsh } from "./ssh-errors.ts";
import type { HostCheck } from "./ssh-host-check.ts";
import type { Patience } from "./ssh-patience.ts";
import { sshIdent } from "./ssh-socket.ts";
import type { Ask, Target } from "./target.ts";

export interface LoginTimes {
  readonly handshakeMs: number;
  readonly loginStepMs: number;
  readonly keepaliveMs: number;
}

export interface LoginNeeds {
  readonly client: Client;
  readonly socket: Socket;
  readonly hosts: HostCheck;
  readonly auth: SshAuth;
  readonly patience: Patience;
  readonly target: Target;
  readonly ask: Ask;
  readonly algorithms: Algorithms;
  readonly times: LoginTimes;
  readonly where: string;
  /** Gives the dial up; the first reason stays. */
  end(reason: unknown): void;
}

/** Resolves when the target has let us in. Never rejects: whatever goes wrong ends the dial with its reason. */
export function login(need: LoginNeeds): Promise<void> {
  const { client, socket, hosts, auth, patience, target, ask, times, where, end } = need;
  const late = (what: string) => () =>
    end(new BartizanFault("target-timeout", `${where} ${what}.`, "Try again; check the target."));
  const answerOnce = (finish: (answers: string[]) => void, answers: Promise<string[]>) =>
    answers
      .then((given) => {
        if (socket.destroyed) return;
        patience.stage(times.loginStepMs, late("does not answer to the login"));
        finish(given);
      })
      .catch(end);
  const prompt = (
    name: string,
    instructions: string,
    _language: string,
    prompts: Prompt[],
    finish: (answers: string[]) => void,
  ) => {
    answerOnce(finish, auth.round(name, instructions, prompts));
  };
  return new Promise((resolve) => {
    let ready = false;
    let banners = 0;
    let algorithmsAgreed = "";
    // For the client's whole life: one connection can emit many errors, and each without a listener ends the process.
    client.on("error", (error) => {
      if (ready) return;
      if ("level" in error && error.level === "agent") auth.agentFailed();
      else end(faultFromSsh(error, where));
    });
    const onClosed = () => end(closedFault(where));
    client.on("end", onClosed).on("close", onClosed);
    client.on("handshake", ({ kex, serverHostKey, cs: { cipher, mac } }) => {
      if (ready) return;
      algorithmsAgreed = [kex, serverHostKey, cipher, mac].filter((name) => name !== "").join(" ");
      patience.stage(times.loginStepMs, late("does not answer to the login"));
    });
    client.on("banner", (text) => {
      if (++banners <= 10) ask.tell("banner", printableLines(text));
    });
    client.on("change password", (text, finish) => {
      auth
        .changePassword(text)
        .then(({ old, fresh }) => {
          if (socket.destroyed) return;
          // ssh2 sends the old password from its own configuration, which never had it.
          const { config } = client as unknown as { config: { password: string | undefined } };
          config.password = old;
          finish(fresh);
          config.password = undefined;
        })
        .catch(end);
    });
    client.on("ready", () => {
      ready = true;
      const { fingerprint: hostKey } = hosts;
      if (hostKey !== undefined) ask.agreed?.({ hostKey, algorithms: algorithmsAgreed });
      resolve();
    });
    patience.stage(times.handshakeMs, late("does not finish the handshake"));
    try {
      client.connect({
        sock: socket,
        username: target.user,
        ident: sshIdent,
        readyTimeout: 0,
        keepaliveInterval: times.keepaliveMs,
        // ssh2 probes; our own watchdog judges, by any byte that comes.
        keepaliveCountMax: Number.MAX_SAFE_INTEGER,
        algorithms: { ...need.algorithms, serverHostKey: [...hosts.algorithms] as ServerHostKeyAlgorithm[] },
        hostVerifier: (key: Buffer, answer: (good: boolean) => void) => hosts.verify(key, answer),
        authHandler: (_methods, _partial, next) => {
          auth
            .next()
            .then((method) => {
              if (socket.destroyed) return;
              patience.stage(times.loginStepMs, late("does not answer to the login"));
              next(method.type === "keyboard-interactive" ? ({ ...method, prompt } as AnyAuthMethod) : method);
            })
            .catch(end);
        },
      });
    } catch (error) {
      end(faultFromSsh(error, where));
      return;
    }
    watchAnswers(client, auth, answerOnce);
  });
}

interface AnswerHandlers {
  USERAUTH_FAILURE(protocol: unknown, methods: string[], partial: boolean): void;
  USERAUTH_INFO_REQUEST(
    protocol: { authInfoRes(answers?: string[]): void },
    name: string,
    instructions: string,
    prompts: Prompt[],
  ): void;
}

/**
 * Two things ssh2 keeps to itself: the list of methods after an agent's key, and the texts of rounds without a question
 * (OpenSSH 10.3 sends PAM's messages so). Internals of the pinned version, held by tests.
 */
function watchAnswers(
  client: Client,
  auth: SshAuth,
  answer: (finish: (answers: string[]) => void, answers: Promise<string[]>) => void,
): void {
  const { _handlers: handlers } = (client as unknown as { _protocol: { _handlers: AnswerHandlers } })._protocol;
  const { USERAUTH_FAILURE: onFailure, USERAUTH_INFO_REQUEST: onRequest } = handlers;
  handlers.USERAUTH_FAILURE = (protocol, methods, partial) => {
    auth.refused(methods, partial);
    onFailure(protocol, methods, partial);
  };
  handlers.USERAUTH_INFO_REQUEST = (protocol, name, instructions, prompts) => {
    if (prompts.length > 0) onRequest(protocol, name, instructions, prompts);
    else answer(() => protocol.authInfoRes(), auth.round(name, instructions, prompts));
  };
}
