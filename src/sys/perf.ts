/**
 * perf_event_open(2) and the ioctls of its descriptors.
 *
 * Knows the structure, not the events: which tracepoint, probe or counter an event is, its callers
 * say. `attr.test.ts` compares offsets and flags with kernel BTF.
 *
 * @module
 */

import { SyscallError } from "../error.ts";
import { FileDescriptor } from "./fd.ts";
import { native } from "./ffi.ts";
import { readInto } from "./file.ts";
import { keepDuring, Struct } from "./struct.ts";

/**
 * Members of `struct perf_event_attr` up to `PERF_ATTR_SIZE_VER5` (Linux 4.1),
 * include/uapi/linux/perf_event.h.
 */
export const PERF_EVENT_ATTR = {
  type: [0, 4],
  size: [4, 4],
  config: [8, 8],
  sample_period: [16, 8],
  sample_freq: [16, 8],
  sample_type: [24, 8],
  read_format: [32, 8],
  disabled: [40, 8],
  wakeup_events: [48, 4],
  wakeup_watermark: [48, 4],
  bp_type: [52, 4],
  config1: [56, 8],
  config2: [64, 8],
  branch_sample_type: [72, 8],
  sample_regs_user: [80, 8],
  sample_stack_user: [88, 4],
  clockid: [92, 4],
  sample_regs_intr: [96, 8],
  aux_watermark: [104, 4],
  sample_max_stack: [108, 2],
  __reserved_2: [110, 2],
} as const;

/** Bits of the 64-bit word at `disabled`, by the names of the header. */
export const PERF_EVENT_BIT = {
  disabled: 0,
  inherit: 1,
  pinned: 2,
  exclusive: 3,
  exclude_user: 4,
  exclude_kernel: 5,
  exclude_hv: 6,
  exclude_idle: 7,
  freq: 10,
  inherit_stat: 11,
  enable_on_exec: 12,
  watermark: 14,
  sample_id_all: 18,
  exclude_host: 19,
  exclude_guest: 20,
  exclude_callchain_kernel: 21,
  exclude_callchain_user: 22,
  use_clockid: 25,
  write_backward: 27,
  bpf_event: 30,
} as const;
/** One of the names of {@link PERF_EVENT_BIT}. */
export type PerfEventBit = keyof typeof PERF_EVENT_BIT;

/**
 * Event types that are the same on every kernel (`enum perf_type_id`); others are read from sysfs.
 */
export const PerfType = {
  HARDWARE: 0,
  SOFTWARE: 1,
  TRACEPOINT: 2,
  HW_CACHE: 3,
  RAW: 4,
  BREAKPOINT: 5,
} as const;

/** Events of {@link PerfType.SOFTWARE} (`enum perf_sw_ids`). */
export const PerfSoftware = {
  CPU_CLOCK: 0,
  TASK_CLOCK: 1,
  PAGE_FAULTS: 2,
  CONTEXT_SWITCHES: 3,
  CPU_MIGRATIONS: 4,
  PAGE_FAULTS_MIN: 5,
  PAGE_FAULTS_MAJ: 6,
  ALIGNMENT_FAULTS: 7,
  EMULATION_FAULTS: 8,
  DUMMY: 9,
  BPF_OUTPUT: 10,
  CGROUP_SWITCHES: 11,
} as const;

/** What a sample contains (`enum perf_event_sample_format`). */
export const PerfSample = {
  IP: 0x1,
  TID: 0x2,
  TIME: 0x4,
  ADDR: 0x8,
  READ: 0x10,
  CALLCHAIN: 0x20,
  ID: 0x40,
  CPU: 0x80,
  PERIOD: 0x100,
  STREAM_ID: 0x200,
  RAW: 0x400,
} as const;

/** What reading an event's descriptor gives behind its count (`enum perf_event_read_format`). */
export const PerfFormat = {
  TOTAL_TIME_ENABLED: 0x1,
  TOTAL_TIME_RUNNING: 0x2,
  ID: 0x4,
  GROUP: 0x8,
  /** Linux 6.0. */
  LOST: 0x10,
} as const;

/** `PERF_FLAG_PID_CGROUP`: `pid` is the descriptor of a cgroup. */
export const PERF_FLAG_PID_CGROUP = 0x4;
const PERF_FLAG_FD_CLOEXEC = 0x8;

/**
 * `PERF_EVENT_IOC_*`; the encoding of direction and size is the same on x86-64, arm64, riscv64 and
 * loong64.
 */
const ENABLE = 0x2400;
const DISABLE = 0x2401;
const RESET = 0x2403;
const SET_OUTPUT = 0x2405;
const SET_BPF = 0x40042408;
const PAUSE_OUTPUT = 0x40042409;

const EINTR = 4;
const ATTEMPTS = 30;

/** What `struct perf_event_attr` takes; all counts and ids as the kernel has them. */
export interface PerfEventAttributes {
  readonly type: number;
  readonly config?: number | bigint | undefined;
  /** Events between two samples. */
  readonly samplePeriod?: number | bigint | undefined;
  /** Samples a second; sets `freq`. */
  readonly sampleFrequency?: number | undefined;
  readonly sampleType?: number | undefined;
  readonly readFormat?: number | undefined;
  readonly bits?: readonly PerfEventBit[] | undefined;
  /** Records between two wake-ups. */
  readonly wakeupEvents?: number | undefined;
  /** Bytes between two wake-ups; sets `watermark`. */
  readonly wakeupWatermark?: number | undefined;
  readonly breakpointType?: number | undefined;
  /** A number, or the text that it points to: the symbol of a kprobe, the path of a uprobe. */
  readonly config1?: number | bigint | string | undefined;
  /** The offset of a probe, the length of a breakpoint. */
  readonly config2?: number | bigint | undefined;
  readonly sampleMaxStack?: number | undefined;
}

/**
 * Opens an event of a process (`pid`, 0 for this one, -1 for all) on a CPU (-1 for all), disabled
 * unless a probe or tracepoint is opened without the bit. The descriptor is closed on exec. Throws
 * SyscallError.
 */
export function perfEventOpen(
  attributes: PerfEventAttributes,
  pid: number | FileDescriptor,
  cpu: number,
  group?: FileDescriptor,
  flags = 0,
  what = "perf event",
): FileDescriptor {
  const attr = perfAttr(attributes);
  const process = typeof pid === "object" ? pid.number : pid;
  const all = flags | PERF_FLAG_FD_CLOEXEC | (typeof pid === "object" ? PERF_FLAG_PID_CGROUP : 0);
  const leader = group?.number ?? -1;
  const { perfEventOpen: open, perfEventOpenNumber, errno } = native();
  const result = keepDuring(attr, () => {
    for (let attempt = 1; ; attempt++) {
      const fd = open(perfEventOpenNumber, attr.address, process, cpu, leader, all);
      const failure = fd === -1 ? errno() : 0;
      if (failure !== EINTR || attempt === ATTEMPTS) return failure === 0 ? fd : -failure;
    }
  });
  if (result < 0) {
    throw new SyscallError(`open ${what}`, { errno: -result, syscall: "perf_event_open" });
  }
  return new FileDescriptor(result, what);
}

function perfAttr(attributes: PerfEventAttributes): Struct<typeof PERF_EVENT_ATTR> {
  const { config1, sampleFrequency, wakeupWatermark } = attributes;
  const bits = new Set<PerfEventBit>(attributes.bits);
  if (sampleFrequency !== undefined) bits.add("freq");
  if (wakeupWatermark !== undefined) bits.add("watermark");
  let word = 0n;
  for (const bit of bits) word |= 1n << BigInt(PERF_EVENT_BIT[bit]);
  const attr = new Struct(PERF_EVENT_ATTR);
  attr
    .set("type", attributes.type)
    .set("size", attr.size)
    .set("config", attributes.config)
    .set("sample_period", attributes.samplePeriod)
    .set("sample_freq", sampleFrequency)
    .set("sample_type", attributes.sampleType)
    .set("read_format", attributes.readFormat)
    .set("disabled", word)
    .set("wakeup_events", attributes.wakeupEvents)
    .set("wakeup_watermark", wakeupWatermark)
    .set("bp_type", attributes.breakpointType)
    .set("config2", attributes.config2)
    .set("sample_max_stack", attributes.sampleMaxStack);
  if (typeof config1 === "string") attr.pointText("config1", config1);
  else attr.set("config1", config1);
  return attr;
}

/** Starts the event. Throws SyscallError. */
export function perfEnable(event: FileDescriptor): void {
  control(event, ENABLE, 0, "enable");
}

/** Stops the event. Throws SyscallError. */
export function perfDisable(event: FileDescriptor): void {
  control(event, DISABLE, 0, "disable");
}

/** Sets the event's counter to zero. Throws SyscallError. */
export function perfReset(event: FileDescriptor): void {
  control(event, RESET, 0, "reset");
}

/** Has the event run a program. Throws SyscallError. */
export function perfSetBpf(event: FileDescriptor, program: FileDescriptor): void {
  control(event, SET_BPF, program.number, `attach ${program.what} to`);
}

/** Has the event write into the buffer of another of the same CPU. Throws SyscallError. */
export function perfSetOutput(event: FileDescriptor, target: FileDescriptor): void {
  control(event, SET_OUTPUT, target.number, `write into the buffer of ${target.what} from`);
}

/**
 * Has the event stop, or resume, writing records, so that an overwritable buffer can be read.
 * Throws SyscallError.
 */
export function perfPauseOutput(event: FileDescriptor, paused: boolean): void {
  control(event, PAUSE_OUTPUT, paused ? 1 : 0, `${paused ? "pause" : "resume"} output of`);
}

/**
 * Records of an event with the read format `LOST` alone that had no place in its buffer. Throws
 * SyscallError.
 */
export function perfLost(event: FileDescriptor): number {
  const values = new BigUint64Array(new ArrayBuffer(16));
  readInto(event, new Uint8Array(values.buffer));
  return Number(values[1]);
}

function control(event: FileDescriptor, request: number, argument: number, doing: string): void {
  const { ioctl, errno } = native();
  if (ioctl(event.number, request, argument) === -1) {
    const failure = errno();
    throw new SyscallError(`${doing} ${event.what}`, { errno: failure, syscall: "ioctl" });
  }
}
