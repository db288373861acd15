/**
 * The test runner on a file that does not end: this one, in a process that is told so.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hostTest } from "./helper/kernel.ts";
import { SLOWNESS } from "./helper/slowness.ts";

const test = suite("runner");
const RUNNER = fileURLToPath(new URL("./run.js", import.meta.url));
const END = process.env["EBPF_TEST_ENDS"];

/** Runs this file with one more test, which ends as `how` says; the output, the code, and what is told of the kernel tier. */
function runner(
  how: string,
  limits: Record<string, string> = {},
): { output: string; status: number | null; results: string[] } {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-test-"));
  try {
    const results = join(folder, "results");
    const { stdout, stderr, status, error } = spawnSync(process.execPath, [RUNNER, "runner.test"], {
      encoding: "utf8",
      timeout: 60_000 * SLOWNESS,
      env: {
        ...process.env,
        EBPF_TEST_ENDS: how,
        EBPF_TEST_SECONDS: String(SLOWNESS),
        EBPF_TEST_FILE_SECONDS: "60",
        EBPF_REQUIRE_KERNEL: "0",
        EBPF_TEST_RESULTS: results,
        ...limits,
      },
    });
    assert.is(error, undefined);
    const lines = readFileSync(results, "utf8").trimEnd().split("\n");
    return { output: stdout + stderr, status, results: lines };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (END === undefined) {
  test("a test that never ends fails, and those behind it are run", () => {
    const { output, status } = runner("never");
    assert.is(status, 1);
    assert.match(output, /FAIL .* "waits for ever"\n +no end after \d+ s\n/);
    assert.match(output, /^2 passed, 1 failed, 0 skipped$/m);
  });

  test("in a file that does not end, the test and its suite are named", () => {
    const limits = { EBPF_TEST_FILE_SECONDS: String(4 * SLOWNESS), EBPF_TEST_SECONDS: "60" };
    const { output, status } = runner("never", limits);
    assert.is(status, 1);
    assert.match(
      output,
      /^runner\.test\.js: no end after \d+ s, in "waits for ever" of runner; 0 files were not run after it$/m,
    );
    assert.match(output, /^0 passed, 1 failed, 0 skipped$/m);
  });

  test("a test that ends the process is named", () => {
    const { output, status } = runner("exit");
    assert.is(status, 1);
    assert.match(output, /^the run ended early with code 3, in "leaves" of runner: a test never /m);
  });

  hostTest(test, "of the kernel tier, what is told has the reason", () => {
    const { output, results } = runner("kernel");
    assert.match(output, /FAIL .* "waits for the kernel"\n +no end after \d+ s\n/);
    const [outcome] = results.map((line) => JSON.parse(line) as Record<string, unknown>);
    const { file, suite: name, test: title, result, reason } = outcome!;
    assert.equal(
      [file, name, title, result],
      ["runner.test.js", "runner", "waits for the kernel", "failed"],
    );
    assert.match(String(reason), /^no end after \d+ s$/);
    const [thrown] = runner("throws").results.map((line) => JSON.parse(line) as { reason: string });
    assert.is(thrown!.reason, "what it says first");
  });
} else {
  test("ends", () => {});
  if (END === "never") {
    const forEver = () => new Promise<void>((resolve) => setTimeout(resolve, 2 ** 31 - 1).unref());
    test("waits for ever", forEver);
    test("ends behind it", () => {});
  } else if (END === "exit") test("leaves", () => process.exit(3));
  else if (END === "throws") {
    hostTest(test, "throws", () => {
      throw new Error("what it says first\nand then");
    });
  } else {
    hostTest(test, "waits for the kernel", () => {
      return new Promise(() => {});
    });
  }
}

test.run();
