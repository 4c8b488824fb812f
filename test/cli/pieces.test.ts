import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createAlternateScreenWatch } from "../../cli/alternate-screen.ts";
import { findToken, serverAddress, surroundings, tokenFile } from "../../cli/api.ts";
import { Complaint, complaintLines, complaintOf, goneComplaint } from "../../cli/complaint.ts";
import { createEscapeFilter } from "../../cli/escapes.ts";
import { faultExitCode, shellExitCode, signalExitCode, watchExitCode } from "../../cli/exit-codes.ts";
import { orderWords } from "../../cli/kick.ts";
import { readLine } from "../../cli/prompts.ts";
import { pickSession } from "../../cli/session-id.ts";
import { watchers } from "../../cli/sessions.ts";
import { table } from "../../cli/table.ts";
import type { KeyTaker } from "../../cli/terminal-input.ts";
import { awayWords, fitBetween } from "../../cli/words.ts";
import { faultOf } from "../../proto/client/faults.ts";
import { FaultSchema } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { Role, SessionInfoSchema } from "../../proto/gen/bartizan/v1/session_pb.ts";

const encode = (text: string) => new TextEncoder().encode(text);

describe("the escapes of shell", () => {
  const typed = (...keys: string[]) => {
    const filter = createEscapeFilter();
    const parts = keys.flatMap((key) => filter.feed(encode(key)));
    return parts.map((part) => (typeof part === "string" ? `<${part}>` : new TextDecoder().decode(part))).join("");
  };
  it.each([
    ["at the start", ["~."], "<hang-up>"],
    ["after Enter", ["ls\r", "~", "."], "ls\r<hang-up>"],
    ["not in the middle of a line", ["ls ~", "."], "ls ~."],
    ["a home directory stays one", ["cd\r", "~", "/x"], "cd\r~/x"],
    ["two tildes send one", ["\r~", "~"], "\r~"],
    ["after two tildes the line has begun", ["\r~~."], "\r~."],
    ["help, then another", ["~?", "~d"], "<help><detach>"],
    ["a paste without a tilde passes whole", ["a\rb\rc"], "a\rb\rc"],
    ["text around an escape keeps its order", ["a\r~?b"], "a\r<help>b"],
  ])("%s", (_name, keys, sent) => {
    expect(typed(...keys)).toBe(sent);
  });
});

describe("exit codes", () => {
  it("of shell are the remote shell's own", () => {
    expect(shellExitCode({ kind: "exited", code: 42 })).toBe(42);
    expect(shellExitCode({ kind: "signalled", name: "KILL" })).toBe(137);
    expect(shellExitCode({ kind: "lost", reason: "x" })).toBe(255);
    expect(shellExitCode({ kind: "kicked", by: "ann", reason: "x" })).toBe(254);
    expect(shellExitCode({ kind: "closed", why: "grace-expired" })).toBe(255);
    expect(signalExitCode("NONSENSE")).toBe(255);
  });
  it("of watch tell only whether it was kicked", () => {
    expect(watchExitCode({ kind: "exited", code: 42 })).toBe(0);
    expect(watchExitCode({ kind: "kicked", by: "ann", reason: "x" })).toBe(254);
  });
  it("of other commands tell an answer from none", () => {
    expect(faultExitCode(faultOf(new ConnectError("no", Code.NotFound)))).toBe(1);
    expect(faultExitCode(faultOf(new ConnectError("refused", Code.Unavailable)))).toBe(255);
  });
});

describe("a table", () => {
  it("is aligned, right where asked, and shows control characters as text", () => {
    const rows = [
      { name: "demo", count: 5 },
      { name: "e\x1b[31mvil\n", count: 1234 },
    ];
    const columns = [
      { head: "NAME", cell: (row: (typeof rows)[0]) => row.name },
      { head: "N", cell: (row: (typeof rows)[0]) => String(row.count), right: true },
    ];
    expect(table(columns, rows)).toBe(
      "NAME                     N\ndemo                     5\ne\\u001b[31mvil\\u000a  1234\n",
    );
  });
});

describe("a complaint", () => {
  it("is a line on what happened and a line on what to do, with nothing of the network's control characters", () => {
    const complaint = complaintOf(new ConnectError("no such\x1b[2J", Code.NotFound), "http://x");
    expect(complaintLines(complaint)).toBe(
      "bartizan: no such\\u001b[2J\n  `bartizan sessions` and `bartizan targets` show what there is.\n",
    );
    expect(complaint.exitCode).toBe(1);
  });
  it("says of a shell that is over what the server says of it, or what may be", () => {
    const gone = (message: string) => goneComplaint(new ConnectError(message, Code.NotFound))?.message;
    expect(gone("There is no such session.")).toContain("restarted, or your shell has ended");
    expect(gone("Its node web1 was started again, and the shell is over.")).toContain("web1 was started again");
    expect(goneComplaint(new ConnectError("away", Code.Unavailable))).toBeUndefined();
  });
  it("says of a shell that is away only what is known", () => {
    const about = (word: string, message = "", answeredBy = "") => {
      const detail = { desc: FaultSchema, value: { word, answeredBy } };
      return awayWords(
        faultOf(new ConnectError(message, Code.Unavailable, undefined, [detail])),
        "web1.k3f9x2k3f9x2-abc",
      );
    };
    expect(about("not-here", "", "web2")).toBe("your shell is on web1, and the connection came to web2");
    expect(about("holder-unreachable", "The node web1 cannot be heard.")).toBe(
      "The node web1 cannot be heard; the shell may go on",
    );
    expect(about("draining")).toBe("the connection is lost");
  });
  it.each([
    ["self-signed certificate; if the root CA is installed locally, try", "--ca FILE"],
    ["unable to verify the first certificate", "--ca FILE"],
    ["unable to get local issuer certificate", "--ca FILE"],
    ["http/2 stream closed with error code CANCEL (0x8)", "is busy or refused the connection"],
    ["Stream closed with error code NGHTTP2_REFUSED_STREAM", "is busy or refused the connection"],
    ["error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:", "speaks no TLS"],
  ])("says in words what Node says as %s", (message, words) => {
    const complaint = complaintOf(new ConnectError(message, Code.Internal), "https://a:1");
    expect(complaintLines(complaint)).toContain(words);
    expect(complaint.exitCode).toBe(255);
  });
});

describe("what is said of sessions", () => {
  it("names each watcher once, and how often he watches", () => {
    const watcher = (name: string) => ({ role: Role.WATCHER, principal: { name } });
    const attachments = [watcher("root"), watcher("eve"), watcher("root"), watcher("root")];
    const operator = { role: Role.OPERATOR, principal: { name: "ann" } };
    expect(watchers(create(SessionInfoSchema, { attachments: [operator, ...attachments] }))).toEqual([
      "root x3",
      "eve",
    ]);
  });
  it("says of an order that waits how to see later whether it was carried out", () => {
    for (const orderLeft of [true, false]) expect(orderWords({ orderLeft })).toContain("`bartizan sessions --all`");
  });
  it("shortens the middle of a line, never the keys at its end", () => {
    const line = (cols: number) => fitBetween(" ", "This server is cut off.", " | q leaves ", cols);
    expect(line(100)).toBe(" This server is cut off. | q leaves ");
    expect(line(36)).toBe(line(100));
    expect(line(30)).toBe(" This server is c… | q leaves ");
    expect(line(12)).toBe("q leaves");
  });
  it("says where a recording of another node is", () => {
    const detail = {
      desc: FaultSchema,
      value: { word: "not-here", hint: "It is kept there.", address: "https://web2" },
    };
    const error = new ConnectError("The recording is on the node web2.", Code.FailedPrecondition, undefined, [detail]);
    expect(complaintLines(complaintOf(error, "https://web"))).toBe(
      "bartizan: The recording is on the node web2.\n  It is kept there. The same command with --server https://web2 asks there.\n",
    );
  });
  it("says of a name that the server does not go by where it belongs", () => {
    const complaint = complaintOf(new ConnectError("HTTP 421", Code.Unknown), "https://lb:1");
    expect(complaint.hint).toMatch(/https:\/\/lb:1.*listen\.names.*group\.url/);
  });
});

describe("the way to the server", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "bartizan-cli-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const around = (env: Record<string, string>) => surroundings({ HOME: folder, ...env });

  it("takes the flag, then the environment, then this machine", () => {
    expect(serverAddress({ server: "https://a:1" }, around({ BARTIZAN_SERVER: "https://b" }))).toBe("https://a:1");
    expect(serverAddress({}, around({ BARTIZAN_SERVER: "https://b/" }))).toBe("https://b");
    expect(serverAddress({}, around({}))).toBe("http://127.0.0.1:7322");
    expect(serverAddress({ server: "localhost:99" }, around({}))).toBe("http://localhost:99");
  });
  it.each(["ftp://x", "http://", "http://bastion.example.org"])("refuses %s", (server) => {
    expect(() => serverAddress({ server }, around({}))).toThrow(Complaint);
  });
  it("finds the token in the state directory", () => {
    const file = join(folder, "token");
    writeFileSync(file, "abc123\n", { mode: 0o600 });
    expect(findToken({ tokenFile: file }, around({}))).toBe("abc123");
    expect(tokenFile({}, around({}))).toBe(join(folder, ".local/state/bartizan/token"));
    expect(tokenFile({}, around({ XDG_STATE_HOME: "/s" }))).toBe("/s/bartizan/token");
    expect(findToken({}, around({ BARTIZAN_TOKEN: "from-env" }))).toBe("from-env");
  });
  it.each([0o640, 0o604, 0o620])("refuses a token file of mode %o", (mode) => {
    const file = join(folder, "token");
    writeFileSync(file, "abc123\n");
    chmodSync(file, mode);
    expect(() => findToken({ tokenFile: file }, around({}))).toThrow("Other users can read the token");
  });
  it("refuses what is no token, and says where it was", () => {
    const file = join(folder, "token");
    writeFileSync(file, "two words\r\n", { mode: 0o600 });
    expect(() => findToken({ tokenFile: file }, around({}))).toThrow(file);
    expect(() => findToken({ tokenFile: join(folder, "none") }, around({}))).toThrow("There is no token");
  });
});

describe("the beginning of an id", () => {
  const session = (id: string, ended = false) =>
    create(SessionInfoSchema, { id, node: "n1", ...(ended ? { ended: {} } : {}) });
  const all = [session("n1-abc1"), session("n1-abd2"), session("n1-abe3", true)];
  it("is enough when it fits one", () => {
    expect(pickSession(all, "n1-abc")).toBe("n1-abc1");
    expect(pickSession(all, "abd")).toBe("n1-abd2");
    expect(pickSession(all, "n1-abe")).toBe("n1-abe3");
  });
  it("means the live one among those that ended", () => {
    expect(pickSession([session("n1-abc0", true), ...all, session("n1-abc9", true)], "n1-abc")).toBe("n1-abc1");
  });
  it("is refused when it fits several, and left to the server when it fits none", () => {
    expect(() => pickSession(all, "n1-ab")).toThrow('"n1-ab" is ambiguous: it begins 2 ids: n1-abc1, n1-abd2');
    const ended = ["1", "2", "3", "4", "5", "6", "7"].map((end) => session(`n1-x${end}`, true));
    expect(() => pickSession(ended, "x")).toThrow("n1-x5 and 2 more");
    expect(pickSession(all, "zzz")).toBe("zzz");
  });
});

describe("a question on the terminal", () => {
  function ask(echo: boolean) {
    let taker: KeyTaker | undefined;
    let shown = "";
    const signal = new AbortController();
    const line = readLine(
      "Password:",
      echo,
      {
        giveTo: (next) => {
          taker = next;
        },
      },
      (text) => {
        shown += text;
      },
      signal.signal,
    );
    return {
      line,
      type: (keys: string) => taker?.(encode(keys)),
      shown: () => shown,
      abort: () => signal.abort("late"),
    };
  }
  it("shows nothing of a password", async () => {
    const asked = ask(false);
    asked.type("geh\x7f");
    asked.type("heim\r");
    expect(await asked.line).toBe("geheim");
    expect(asked.shown()).toBe("Password:\r\n");
  });
  it("shows an answer that may be seen, and lets it be corrected", async () => {
    const asked = ask(true);
    asked.type("nope\x15yes\r");
    expect(await asked.line).toBe("yes");
    expect(asked.shown()).toContain("\b \b");
  });
  it("ends with Ctrl-C and with its signal", async () => {
    const given = ask(false);
    given.type("x\x03");
    await expect(given.line).rejects.toThrow("given up");
    const late = ask(false);
    late.abort();
    await expect(late.line).rejects.toBe("late");
  });
});

describe("the alternate screen", () => {
  it("is noticed wherever the sequence is split", () => {
    const text = encode("vi\x1b[?1049hscreen\x1b[?25l");
    for (let at = 1; at < text.length; at += 1) {
      const watch = createAlternateScreenWatch();
      watch.feed(text.subarray(0, at));
      watch.feed(text.subarray(at));
      expect(watch.entered).toBe(true);
      for (const byte of encode("\x1b[?1049l")) watch.feed(Uint8Array.of(byte));
      expect(watch.entered).toBe(false);
    }
  });
});
