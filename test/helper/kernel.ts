/**
 * Tests of the kernel tier: they need root on Linux with bpf(2), and skip with a printed reason elsewhere.
 *
 * A test that throws UnsupportedError is skipped only while the running kernel is older than the release the error names; on a
 * newer kernel the same error fails the test, so that claims of minimum releases stay honest.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { release } from "node:os";
import type { Test } from "uvu";
import { UnsupportedError } from "../../src/error.ts";
import { kernelTier, skips } from "./outcome.ts";

const CAP_SYS_ADMIN = 21n;
const CAP_BPF = 39n;

/** Why the kernel tier cannot run here, or undefined where it can. */
export function kernelTierObstacle(): string | undefined {
  if (process.env["EBPF_TEST_TIER"] === "pure") return "EBPF_TEST_TIER=pure";
  if (process.platform !== "linux") return `needs Linux, this is ${process.platform}`;
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  const capabilities = BigInt(`0x${effective ?? "0"}`);
  if (
    process.getuid?.() !== 0 ||
    ((capabilities >> CAP_SYS_ADMIN) & (capabilities >> CAP_BPF) & 1n) === 0n
  ) {
    return "needs root (CAP_SYS_ADMIN and CAP_BPF)";
  }
  return undefined;
}

const obstacle = kernelTierObstacle();

/** Registers `body` as a test of the kernel tier. */
export function kernelTest(test: Test, name: string, body: () => void | Promise<void>): void {
  kernelTier.registered++;
  test(name, async (context) => {
    const suite = String((context as { __suite__?: string }).__suite__ ?? "");
    if (obstacle !== undefined) {
      skips.push({ suite, test: name, reason: obstacle });
      return;
    }
    try {
      await body();
      kernelTier.ran++;
    } catch (error) {
      if (!(error instanceof UnsupportedError) || !runningIsOlderThan(error.since)) throw error;
      skips.push({ suite, test: name, reason: `${error.message} (since Linux ${error.since})` });
    }
  });
}

function runningIsOlderThan(since: string | undefined): boolean {
  if (since === undefined) return false;
  const [major = 0, minor = 0] = release().split(/[.-]/).map(Number);
  const [sinceMajor = 0, sinceMinor = 0] = since.split(".").map(Number);
  return major < sinceMajor || (major === sinceMajor && minor < sinceMinor);
}
