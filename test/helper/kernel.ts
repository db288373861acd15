/**
 * Tests of the kernel tier: they need root on Linux with bpf(2), and skip with a printed reason elsewhere.
 *
 * On a kernel that lacks something a test is skipped for one of two reasons, so that claims of minimum releases stay honest: the
 * kernel is older than the release that the test, or the UnsupportedError it throws, names; or it was built without an option that
 * the test names. `EBPF_TEST_TIER=kernel`, with which guests of the kernel matrix run, runs these tests only and takes no other
 * reason; `EBPF_TEST_TIER=pure` skips them all.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { release } from "node:os";
import type { Test } from "uvu";
import { UnsupportedError } from "../../src/error.ts";
import { CAP_BPF, CAP_SYS_ADMIN, effectiveCapabilities } from "../../src/sys/capabilities.ts";
import { missingConfig } from "./kernel-config.ts";
import { type KernelOutcome, kernelTier, skips } from "./outcome.ts";

/** What a test needs of the kernel, beyond what Linux 5.10 has. */
export interface KernelNeeds {
  /** The feature in a few words, by which the kernel matrix lists where it was tested: `uprobe_multi links`. */
  needs: string;
  /** The first release that has it, such as `6.6`. */
  since?: string;
  /** The options of the kernel's configuration without which it is left out, such as `CONFIG_NETKIT`. */
  config?: string | readonly string[];
  /** Modules of the kernel that must be loaded, such as `nf_conntrack`; guests of the kernel matrix load them. */
  module?: string | readonly string[];
  /** The kernel of the matrix that alone has it and runs only when it is named, such as `6.12-lirc`; the other guests do without the test. */
  guest?: string;
  /** A module that the kernel loads by itself when it is asked for; it may as well be built in, as `sch_ingress`. */
  loadable?: string;
  /** Says what of this machine, not of its kernel, forbids the test; never a reason in the kernel matrix. */
  obstacle?: () => string | undefined | Promise<string | undefined>;
}

type Body = () => void | Promise<void>;

/** Which tests run: those of one tier, or all that can. */
export const tier: "pure" | "kernel" | "all" = readTier(process.env["EBPF_TEST_TIER"]);
const obstacleHere = kernelTierObstacle();
const marked = new WeakSet<Test>();

/** Why the kernel tier cannot run here, or undefined where it can. */
export function kernelTierObstacle(): string | undefined {
  if (tier === "pure") return "EBPF_TEST_TIER=pure";
  if (process.platform !== "linux") return `needs Linux, this is ${process.platform}`;
  const capabilities = effectiveCapabilities() ?? 0n;
  if (
    process.getuid?.() !== 0 ||
    ((capabilities >> CAP_SYS_ADMIN) & (capabilities >> CAP_BPF) & 1n) === 0n
  ) {
    return "needs root (CAP_SYS_ADMIN and CAP_BPF)";
  }
  return undefined;
}

/** Registers `body` as a test of the kernel tier. */
export function kernelTest(test: Test, name: string, body: Body): void;
export function kernelTest(
  test: Test,
  name: string,
  needs: KernelNeeds | undefined,
  body: Body,
): void;
export function kernelTest(
  test: Test,
  name: string,
  first: KernelNeeds | Body | undefined,
  second?: Body,
): void {
  const [needs, body] = typeof first === "function" ? [undefined, first] : [first, second!];
  if (isOfAnotherGuest(needs)) return;
  const { file } = kernelTier;
  const register = tier === "kernel" ? test.only : test;
  register(name, async (context) => {
    const suite = String((context as { __suite__?: string }).__suite__ ?? "");
    const outcome: KernelOutcome = {
      file,
      suite,
      test: name,
      result: "failed",
      needs: needs?.needs,
    };
    kernelTier.outcomes.push(outcome);
    try {
      outcome.reason = await run(body, needs, { suite, test: name }, outcome);
    } catch (error) {
      outcome.reason = firstLine(error);
      throw error;
    }
    outcome.result = outcome.reason === undefined ? "passed" : "skipped";
  });
  markSuite(test);
}

/**
 * Registers a test of the kernel tier whose outcome does not depend on the kernel's release, so that one machine is enough: guests of
 * the matrix do without it.
 */
export function hostTest(test: Test, name: string, body: Body, needs?: KernelNeeds): void {
  if (tier !== "kernel") kernelTest(test, name, needs, body);
}

/** The beginning of what an error says, for lists. */
function firstLine(error: unknown): string {
  const text = error instanceof Error && error.message !== "" ? error.message : String(error);
  return text.split("\n", 1)[0]!.slice(0, 200);
}

/** Runs a body, or says why not. */
async function run(
  body: Body,
  needs: KernelNeeds | undefined,
  where: { suite: string; test: string },
  outcome: KernelOutcome,
): Promise<string | undefined> {
  const skip = (reason: string): string => {
    skips.push({ ...where, reason });
    return reason;
  };
  const lacking = needs === undefined ? undefined : lackOf(needs);
  if (lacking !== undefined) return skip(lacking);
  const forbidden = obstacleHere ?? withoutModule(needs?.module) ?? (await needs?.obstacle?.());
  if (forbidden !== undefined) {
    if (tier === "kernel") throw new Error(`a kernel of the matrix must run this: ${forbidden}`);
    return skip(forbidden);
  }
  const before = skips.length;
  try {
    await body();
  } catch (error) {
    if (!(error instanceof UnsupportedError) || !isOlderThan(error.since)) throw error;
    outcome.needs ??= error.feature;
    return skip(`${error.message} (since Linux ${error.since})`);
  }
  const own = skips[before]?.reason;
  if (own !== undefined && tier === "kernel") {
    skips.length = before;
    throw new Error(
      `a kernel of the matrix must run this, or be said to lack what it needs: ${own}`,
    );
  }
  return own;
}

/** Why a module is not there, or undefined where all are. */
function withoutModule(names: string | readonly string[] = []): string | undefined {
  for (const name of typeof names === "string" ? [names] : names) {
    if (tier === "kernel") execFileSync("modprobe", [name]);
    if (!existsSync(`/sys/module/${name}`)) return `module ${name} is not loaded`;
  }
  return undefined;
}

function isOfAnotherGuest(needs: KernelNeeds | undefined): boolean {
  const own = needs?.guest;
  return tier === "kernel" && own !== undefined && own !== process.env["EBPF_TEST_GUEST"];
}

function lackOf({ needs, since, config = [], ...other }: KernelNeeds): string | undefined {
  const module = other.module ?? other.loadable;
  if (isOlderThan(since)) return `needs ${needs} (since Linux ${since})`;
  const missing = missingConfig(typeof config === "string" ? [config] : config);
  if (missing.length > 0) return `needs ${needs} (built without ${missing.join(", ")})`;
  // Debian's archive drops the modules of a kernel before the kernel itself.
  return module !== undefined && tier === "kernel" && !existsSync(`/lib/modules/${release()}`)
    ? `needs ${needs} (module ${module}, and there are no modules for this kernel)`
    : undefined;
}

/** Whether the running kernel is older than a release, such as `5.14`. */
export function isOlderThan(since: string | undefined): boolean {
  if (since === undefined) return false;
  const [major = 0, minor = 0] = release().split(/[.-]/).map(Number);
  const [sinceMajor = 0, sinceMinor = 0] = since.split(".").map(Number);
  return major < sinceMajor || (major === sinceMajor && minor < sinceMinor);
}

/** uvu's `only` leaves out the pure tests of a suite; this tells the runner which suites have any other. */
function markSuite(test: Test): void {
  if (marked.has(test)) return;
  marked.add(test);
  const { run } = test;
  test.run = () => {
    run();
    const queue = (globalThis as { UVU_QUEUE?: unknown[][] }).UVU_QUEUE?.[0];
    kernelTier.suites.push(queue?.at(-1));
  };
}

function readTier(text = "all"): "pure" | "kernel" | "all" {
  if (text === "pure" || text === "kernel" || text === "all") return text;
  throw new Error(`EBPF_TEST_TIER is ${text}; it may be pure, kernel or all`);
}
