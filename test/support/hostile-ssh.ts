/** SSH servers that behave as no good one does: an ssh2 Server for logins and channels, plain sockets for the rest. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Algorithms, AuthContext, Connection, ServerChannel, Session } from "ssh2";
import { ssh2 } from "../../server/target/ssh-library.ts";
import type { Target } from "../../server/target/target.ts";

export interface Rig extends AsyncDisposable {
  readonly port: number;
  readonly target: Target;
  /** Sockets that are still open on the server's side. */
  readonly open: number;
}

/** Hands every connection to `talk`; what comes in is read on, so that its end is seen, unless `talk` reads itself. */
export async function openTcpRig(talk: (socket: Socket) => void, talkReads = false): Promise<Rig> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    talk(socket);
    if (!talkReads) socket.on("data", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    target: targetAt(port, []),
    get open() {
      return sockets.size;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

export interface SshRigOptions {
  readonly algorithms?: Algorithms;
  /** Lets everybody in by default. */
  authenticate?(context: AuthContext, connection: Connection): void;
  /** Says hello and exits with 0 by default. */
  shell?(channel: ServerChannel, connection: Connection): void;
  /** Hears what is asked for beside the rig, which answers. */
  session?(session: Session): void;
  readonly noPty?: boolean;
  readonly noShell?: boolean;
}

/** An ssh2 server of which every answer can be bent. */
export async function openSshRig(options: SshRigOptions = {}): Promise<Rig> {
  let hostKey = ssh2.utils.generateKeyPairSync("ed25519").private;
  let parsed = ssh2.utils.parseKey(hostKey);
  while (parsed instanceof Error) {
    // One key in 256 that ssh2 makes it cannot read again.
    hostKey = ssh2.utils.generateKeyPairSync("ed25519").private;
    parsed = ssh2.utils.parseKey(hostKey);
  }
  const pinned = `ssh-ed25519 ${parsed.getPublicSSH().toString("base64")}`;
  const config = { hostKeys: [hostKey], ...(options.algorithms !== undefined && { algorithms: options.algorithms }) };
  const server = new ssh2.Server(config, (connection) => {
    connection.on("error", () => {});
    connection.on("authentication", (context) => {
      if (options.authenticate) options.authenticate(context, connection);
      else context.accept();
    });
    connection.on("session", (accept) => {
      const session = accept();
      options.session?.(session);
      session.on("pty", (acceptPty, rejectPty) => (options.noPty ? rejectPty?.() : acceptPty?.()));
      session.on("env", (acceptEnv) => acceptEnv?.());
      session.on("window-change", (acceptSize) => acceptSize?.());
      session.on("shell", (acceptShell, rejectShell) => {
        if (options.noShell) {
          rejectShell();
          return;
        }
        const channel = acceptShell();
        channel.on("error", () => {});
        if (options.shell) {
          options.shell(channel, connection);
          return;
        }
        channel.write("hello");
        channel.exit(0);
        channel.end();
      });
    });
  });
  const rig = await openTcpRig((socket) => server.injectSocket(socket), true);
  return {
    port: rig.port,
    target: targetAt(rig.port, [pinned]),
    get open() {
      return rig.open;
    },
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

function targetAt(port: number, hostKeys: readonly string[]): Target {
  return {
    name: "rig",
    kind: "ssh",
    host: "127.0.0.1",
    port,
    user: "anna",
    credentials: {},
    hostKeys,
    knownHostsFiles: [],
    labels: {},
    source: "config",
  };
}
