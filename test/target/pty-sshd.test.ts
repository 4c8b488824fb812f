/** The pty contract over OpenSSH, straight and through a line that cuts everything to pieces. */

import { systemClock } from "../../server/flow/clock.ts";
import { createSshDial, dialSsh } from "../../server/target/ssh.ts";
import { openFaultProxy } from "../support/fault-proxy.ts";
import { openSshd } from "../support/sshd.ts";
import { ptyContract } from "./pty-contract.ts";

ptyContract({ name: "OpenSSH", dial: dialSsh, signals: true, open: () => openSshd() });

ptyContract({
  name: "OpenSSH through a line that chops",
  dial: createSshDial(systemClock, { handshakeMs: 60_000, openMs: 60_000 }),
  signals: true,
  slow: true,
  async open() {
    const sshd = await openSshd();
    const proxy = await openFaultProxy(sshd.port, { chopBytes: 37 });
    return {
      target: { ...sshd.target, port: proxy.port },
      async [Symbol.asyncDispose]() {
        await proxy[Symbol.asyncDispose]();
        await sshd[Symbol.asyncDispose]();
      },
    };
  },
});
