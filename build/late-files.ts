/**
 * Which modules are late (`late.ts`), and which of them are read together.
 *
 * @module
 */

import type { LateFiles } from "./late.ts";

/** Late modules by what a program does that needs them. */
export const lateFiles: LateFiles = {
  report: ["src/report/index.ts"],
  minimal: ["src/co-re/minimal.ts"],
  refusal: ["src/verifier/control.ts", "src/verifier/kernel-facts.ts", "src/verifier/refusal.ts"],
  externs: ["src/externs/kconfig.ts", "src/externs/ksyms.ts"],
  program: [
    "src/program-code.ts",
    "src/program-context.ts",
    "src/program-info.ts",
    "src/program-open.ts",
    "src/program-run.ts",
    "src/sys/program-run.ts",
  ],
  maps: [
    "maps/compatible.ts",
    "maps/diagnosis.ts",
    "maps/info.ts",
    "maps/open.ts",
    "maps/pinned.ts",
  ],
  probes: [
    "links/kprobe.ts",
    "links/kprobe-multi.ts",
    "links/sampling.ts",
    "links/tracing-multi.ts",
    "links/uprobe.ts",
    "links/uprobe-multi.ts",
    "links/usdt.ts",
  ],
  network: [
    "links/cgroup.ts",
    "links/lirc.ts",
    "links/lwt.ts",
    "links/netfilter.ts",
    "links/netns.ts",
    "links/socket.ts",
    "links/sockmap.ts",
    "links/tc.ts",
    "links/tcx.ts",
    "links/xdp.ts",
  ],
  links: [
    "links/freplace.ts",
    "links/info.ts",
    "links/iterator.ts",
    "links/open.ts",
    "links/struct-ops.ts",
  ],
  trace: ["src/trace-line.ts", "src/trace-pipe.ts"],
  choice: ["src/ring-or-perf.ts"],
  probed: ["src/features/named.ts"],
  comparison: ["src/co-re/explain.ts", "src/co-re/matches.ts"],
  words: ["links/explain.ts", "src/near-matches.ts"],
};
