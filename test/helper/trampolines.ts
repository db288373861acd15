/**
 * Programs that run in trampolines (fentry, fexit, fmod_ret, LSM), which some kernels for sandboxes refuse whatever their release.
 *
 * @module
 */

import { Kind } from "../../btf/index.ts";
import { alu, assemble, exit } from "../../src/asm/index.ts";
import { programLoad } from "../../src/sys/bpf.ts";
import { kernelBtf } from "../../src/sys/kernel-btf.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import type { KernelNeeds } from "./kernel.ts";

/** What a test run of a tracing program calls, with 1, and which returns 2. */
export const TESTED = "bpf_fentry_test1";

const EPERM = 1;

/** What a test of such programs needs. */
export const TRAMPOLINES: KernelNeeds = {
  needs: "trampolines",
  since: process.arch === "arm64" ? "6.0" : "5.5",
  config: ["CONFIG_DEBUG_INFO_BTF", "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"],
  obstacle: trampolineObstacle,
};

/** Why this machine's kernel takes no such program, or undefined where it does. */
export function trampolineObstacle(): string | undefined {
  const { fd, errno, log } = programLoad(
    {
      type: ProgramType.TRACING,
      expectedAttachType: AttachType.TRACE_FENTRY,
      attachBtfId: kernelBtf().find(TESTED, Kind.FUNC),
      license: "GPL",
      instructions: assemble([alu("r0", "=", 0), exit()]).bytes,
    },
    { level: 1, size: 4096 },
  );
  fd?.close();
  // The verifier would have said something.
  return errno === EPERM && log === ""
    ? "this kernel refuses programs for trampolines (EPERM from PROG_LOAD, no log)"
    : undefined;
}
