/**
 * What uvu cannot say of a test: that it was skipped while it ran, and why; and how each test of the kernel tier ended. The runner
 * reads these lists.
 *
 * @module
 */

/** A test that did not run, and the reason that is printed. */
export interface Skip {
  suite: string;
  test: string;
  reason: string;
}

/** Every skip so far. */
export const skips: Skip[] = [];

/** How a test of the kernel tier ended: a line of `EBPF_TEST_RESULTS`, in which guests report to their host. */
export interface KernelOutcome {
  /** Relative to the folder of the tests. */
  file: string;
  suite: string;
  test: string;
  result: "passed" | "failed" | "skipped";
  /** What of the kernel the test needs, if it says so. */
  needs?: string | undefined;
  /** Why it was skipped, or failed: the first line of the error. */
  reason?: string | undefined;
}

/** The kernel tier so far. */
export const kernelTier: {
  /** The file that the runner is importing. */
  file: string;
  /** Suites of that file that have tests of the kernel tier, as uvu queued them. */
  suites: unknown[];
  outcomes: KernelOutcome[];
} = { file: "", suites: [], outcomes: [] };
