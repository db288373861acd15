/**
 * What errors say where a process may do some things and not others: a process with two of root's capabilities, and another user.
 */
import { spawnSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tracePipe } from "../../src/trace-pipe.ts";
import { hostTest, isOlderThan } from "../helper/kernel.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { isSyscall } from "./errors.ts";

const test = suite("links/capabilities");
const SETPRIV = ["--bounding-set", "-all,+bpf,+perfmon"];
const NOBODY = 65_534;

/** Tries one after the other, and prints what each said. */
const SCRIPT = `
const [links, { Counter }] = await Promise.all(
  ["links/index.js", "test/links/counter.js"].map((file) => import(process.argv[1] + file)),
);
const program = new Counter({ type: 2 });
const said = [
  () => links.uprobe(program.program, process.execPath, { symbol: "uv_kill" }).close(),
  () => [...links.listLinks()],
  () => links.namespacePrograms(36),
  () => { const own = links.NetworkNamespace.open(); own.run(() => {}); },
].map((attempt) => { try { attempt(); return "done"; } catch (error) { return error.message; } });
console.log(JSON.stringify(said));
`;

hostTest(
  test,
  "with CAP_BPF and CAP_PERFMON alone, the capability that is missing is named",
  () => {
    const base = new URL("../../", import.meta.url).href;
    const child = spawnSync(
      "setpriv",
      [...SETPRIV, process.execPath, "--input-type=module", "-e", SCRIPT, base],
      { encoding: "utf8", timeout: 60_000 * SLOWNESS },
    );
    assert.is(child.status, 0, `${child.error ?? ""} ${child.stderr}`);
    const [uprobe = "", list = "", query = "", enter = ""] = JSON.parse(child.stdout) as string[];
    // In older kernels it may be done, unless they have the change of July 2025.
    if (uprobe !== "done" || !isOlderThan("6.16")) {
      assert.match(
        uprobe,
        /^cannot attach program count to uprobe \S+:uv_kill \(it needs CAP_SYS_ADMIN since Linux 6\.16.*uprobe\.multi/,
      );
    }
    assert.match(list, /^list links after id 0 \(it needs CAP_SYS_ADMIN\): EPERM/);
    assert.match(query, /^list programs attached to .* \(it needs CAP_NET_ADMIN\): EPERM/);
    assert.match(enter, /^enter network namespace .* \(it needs CAP_SYS_ADMIN\): EPERM/);
  },
  {
    needs: "setpriv",
    obstacle: () =>
      spawnSync("setpriv", [...SETPRIV, "true"]).status === 0 ? undefined : "no setpriv(1)",
  },
);

hostTest(test, "another user who reads the trace pipe is told what it takes", () => {
  process.seteuid?.(NOBODY);
  try {
    assert.throws(
      () => tracePipe(),
      isSyscall("EACCES", /^read \/.*\/trace_pipe \(it needs root, or CAP_DAC_READ_SEARCH/),
    );
  } finally {
    process.seteuid?.(0);
  }
});

test.run();
