/**
 * The limit of locked memory (`RLIMIT_MEMLOCK`), to which kernels before Linux 5.11 charge BPF objects: lifted when one of them
 * refuses an object for it, and left alone on every other kernel.
 *
 * @module
 */

import { assemble, call, exit } from "../asm/index.ts";
import { ProgramType } from "../uapi.ts";
import { PROG_LOAD } from "./attr.ts";
import { bpfCall } from "./bpf-call.ts";
import { effectiveCapabilities, mayUseBpf } from "./capabilities.ts";
import { native } from "./ffi.ts";
import { keepDuring, Struct } from "./struct.ts";

const EPERM = 1;

/** include/uapi/asm-generic/resource.h, whose numbers the four architectures of `ffi.ts` share. */
const RLIMIT_MEMLOCK = 8;
/** `RLIM64_INFINITY`, include/uapi/linux/resource.h. */
const INFINITY = 0xffff_ffff_ffff_ffffn;
/** `struct rlimit64`, include/uapi/linux/resource.h. */
const RLIMIT = { rlim_cur: [0, 8], rlim_max: [8, 8] } as const;

/** What came of lifting the limit. The limit is the whole process's; that another thread lifts it once more does no harm. */
let isLifted: boolean | undefined;

/**
 * Makes a call that makes a BPF object; when the kernel says EPERM because of the limit, lifts that and calls again. The result is
 * the kernel's, or the negative errno.
 */
export function withMemlock(create: () => number): number {
  const result = create();
  return result === -EPERM && liftedMemlock() ? create() : result;
}

/** As {@link withMemlock}, for calls on another thread. */
export async function withMemlockAsync(create: () => Promise<number>): Promise<number> {
  const result = await create();
  return result === -EPERM && liftedMemlock() ? await create() : result;
}

function liftedMemlock(): boolean {
  isLifted ??= liftMemlock();
  return isLifted;
}

/**
 * Lifts the limit as far as this process may: entirely with CAP_SYS_RESOURCE, else to its hard limit. Whether that can make the
 * call succeed that was refused.
 */
function liftMemlock(): boolean {
  const capabilities = effectiveCapabilities();
  // Without them EPERM is about privileges, on every kernel.
  if (capabilities !== undefined && !mayUseBpf(capabilities)) return false;
  if (chargesControlGroups()) return false;
  const old = readLimit();
  if (old === undefined || old.soft === INFINITY) return false;
  return setLimit(INFINITY, INFINITY) || (old.soft < old.hard && setLimit(old.hard, old.hard));
}

/** Whether the helper is there that came in the release that began to charge control groups instead. */
function chargesControlGroups(): boolean {
  const { bytes } = assemble([call("ktime_get_coarse_ns"), exit()]);
  const attr = new Struct(PROG_LOAD)
    .set("prog_type", ProgramType.SOCKET_FILTER)
    .set("insn_cnt", bytes.length / 8)
    .point("insns", bytes)
    .pointText("license", "GPL");
  const fd = bpfCall("PROG_LOAD", attr);
  if (fd < 0) return false;
  native().close(fd);
  return true;
}

function readLimit(): { soft: bigint; hard: bigint } | undefined {
  const limit = new Struct(RLIMIT);
  const result = keepDuring(limit, () => native().prlimit(0, RLIMIT_MEMLOCK, 0, limit.address));
  if (result === -1) return undefined;
  return { soft: limit.get64("rlim_cur"), hard: limit.get64("rlim_max") };
}

function setLimit(soft: bigint, hard: bigint): boolean {
  const limit = new Struct(RLIMIT).set("rlim_cur", soft).set("rlim_max", hard);
  return keepDuring(limit, () => native().prlimit(0, RLIMIT_MEMLOCK, limit.address, 0)) === 0;
}
