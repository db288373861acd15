/**
 * Compares with libbpf and bpftool in guests of the kernel matrix, too: what each kernel takes of every fixture (verdict.ts), and what
 * it can do (features.ts). No test file: it needs QEMU, a C compiler, libbpf and bpftool.
 *
 * ```
 * node dist/test/differential/guests.js [KERNEL…] [--libbpf PREFIX]      default: all kernels of this processor that run by default
 * ```
 *
 * What libbpf is asked with is compiled here, for guests have no compiler. The last line is `N passed, N failed`, where each comparison
 * on each kernel counts; it exits 1 where one failed.
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runLanes } from "../vm/lanes.ts";
import { chooseKernels } from "../vm/matrix.ts";
import { reasonOf } from "../vm/verdict.ts";
import { compile, PROBE, SYSTEM, VERDICT } from "./harness.ts";

/** What guests run; the last line of each says how it went. */
const COMMAND = `code=0
node dist/test/differential/verdict.js --harness /usr/bin/verdict || code=1
node dist/test/differential/features.js --harness /usr/bin/probe || code=1
exit $code`;
const SUMMARY = /^(verdicts|features) on Linux .* (\d+) differences$/;
const COMPARISONS = 2;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { libbpf: { type: "string", default: SYSTEM } },
});
const isNamed = positionals.length > 0;
const kernels = chooseKernels(positionals, false).filter(
  ({ arch, tests }) => isNamed || (arch === process.arch && tests === undefined),
);
const folder = mkdtempSync(join(tmpdir(), "ebpf-guests-"));
const summaries: string[] = [];
const clean = new Map<string, number>();
try {
  const harnesses = [VERDICT, PROBE].map((harness) => compile(harness, folder, values.libbpf));
  const lanes = await runLanes(
    COMMAND,
    {
      ...{ kernels, shell: COMMAND, programs: [...harnesses, "bpftool"] },
      ...{ update: false, seconds: 600, jobs: Number(process.env["EBPF_VM_JOBS"] ?? 2) },
    },
    (kernel, line) => {
      const differences = SUMMARY.exec(line)?.[2];
      if (differences !== undefined) summaries.push(`${kernel}: ${line}\n`);
      if (differences === "0") clean.set(kernel, (clean.get(kernel) ?? 0) + 1);
    },
  );
  const counts = { passed: 0, failed: 0 };
  for (const lane of lanes) {
    const { kernel, missing, guest } = lane;
    const reason =
      reasonOf(lane) ?? `${kernel.name}: ${guest?.end}, ${guest?.seconds.toFixed(0)} s`;
    summaries.push(`${reason}\n`);
    if (missing !== undefined && kernel.mayVanish && !isNamed) continue;
    // What ends with another exit code has not compared what it should.
    const most = guest?.code === 0 ? COMPARISONS : COMPARISONS - 1;
    const passed = Math.min(clean.get(kernel.name) ?? 0, most);
    counts.passed += passed;
    counts.failed += COMPARISONS - passed;
  }
  if (counts.passed === 0) counts.failed++;
  process.stdout.write(`\n${summaries.join("")}${counts.passed} passed, ${counts.failed} failed\n`);
  process.exitCode = counts.failed > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true });
}
