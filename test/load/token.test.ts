/**
 * BPF tokens: a process in a user namespace loads with the right that a file system gives it.
 */

import { spawn, spawnSync } from "node:child_process";
import { closeSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CollectionSpec } from "../../src/collection.ts";
import { BpfError } from "../../src/error.ts";
import { pidfdOpen } from "../../src/sys/pidfd.ts";
import { openToken, type Token } from "../../src/token.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { whenEnded } from "../helper/process.ts";
import { withMount } from "../links/mounts.ts";
import { fileSystemCalls } from "./token-calls.ts";

const test = suite("load: tokens");
const hasUnshare = spawnSync("unshare", ["--help"]).error === undefined;
const TOKENS = {
  needs: "BPF tokens",
  since: "6.9",
  config: "CONFIG_USER_NS",
  obstacle: () => (hasUnshare ? undefined : "unshare is not installed"),
};

kernelTest(
  test,
  "a process in a user namespace loads with a token, and not without",
  TOKENS,
  async () => {
    const script = fileURLToPath(new URL("token-child.js", import.meta.url));
    const namespaces = ["-U", "-r", "-m"];
    const child = spawn("unshare", [...namespaces, process.execPath, script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const end = whenEnded(child, 120);
    try {
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
      const context = Number((await lines.next()).value);
      assert.ok(Number.isInteger(context), "the other process ended");
      const { fsconfig, pidfdGetfd } = fileSystemCalls();
      {
        using process = pidfdOpen(child.pid!);
        const fd = pidfdGetfd(process.number, context);
        try {
          // Only who may do anything may delegate.
          for (const what of ["cmds", "maps", "progs", "attachs"])
            fsconfig(fd, [`delegate_${what}`, "any"]);
          fsconfig(fd);
        } finally {
          closeSync(fd);
        }
      }
      child.stdin.end("go\n");
      const outcome = JSON.parse(String((await lines.next()).value));
      assert.equal(outcome, {
        ...{ without: "EPERM", async: 42, sync: 42 },
        ...{ variable: 42, off: "EPERM", given: 42, mandatory: "ENOENT" },
        ...{ found: 42, foundSync: 42, forbidden: "EPERM", left: 0 },
      });
    } finally {
      child.stdin.end();
      await end;
    }
  },
);

kernelTest(test, "what gives no token is named", TOKENS, async () => {
  await assertNothingLeft(() =>
    withMount("bpf", (folder) => {
      const refused = (path: string): BpfError => {
        try {
          openToken(path).close();
        } catch (error) {
          if (error instanceof BpfError) return error;
        }
        throw new Error("there is one");
      };
      // This process is in the first user namespace.
      const first = refused(folder);
      assert.is(first.code, "EOPNOTSUPP");
      assert.match(first.message, /in the first user namespace/);
      assert.is(refused("/tmp").code, "ERR_NOT_BPFFS");
      assert.is(refused("/no/such/folder").code, "ENOENT");
    }),
  );
});

test("what is no token is refused", () => {
  const spec = CollectionSpec.fromFile(fixturePath("globals.el.o"));
  assert.throws(
    () => spec.loadSync({ token: {} as Token }),
    /token is no Token; openToken\(path\)/,
  );
});

test.run();
