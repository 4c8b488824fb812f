/** The pty contract over Dropbear: another implementation, with a window of 24 KiB for input. */
import { describe } from "vitest";
import { dialSsh } from "../../server/target/ssh.ts";
import { dropbearUsable, openDropbear } from "../support/dropbear.ts";
import { ptyContract } from "./pty-contract.ts";

describe.runIf(dropbearUsable())("where Dropbear is installed and may be given a home", () => {
  ptyContract({ name: "Dropbear", dial: dialSsh, signals: true, open: openDropbear });
});
