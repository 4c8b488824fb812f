/** The pty contract over the demo target, by node-pty and by script(1). */
import { tmpdir } from "node:os";
import { openDemo } from "../../server/target/demo.ts";
import { dialSsh } from "../../server/target/ssh.ts";
import { ptyContract } from "./pty-contract.ts";

const forever = new AbortController().signal;
ptyContract({
  name: "the demo target",
  dial: dialSsh,
  signals: true,
  open: () => openDemo(forever, { home: tmpdir() }),
});
ptyContract({
  name: "the demo target without node-pty",
  dial: dialSsh,
  signals: false,
  open: () => openDemo(forever, { by: "script", home: tmpdir() }),
});
