/**
 * Which kinds of links the kernel has. Nothing is attached: each is asked for a place that does not
 * exist, and a kernel that knows the kind complains of the place.
 *
 * @module
 */

import { SyscallError } from "../error.ts";
import { type LinkCreateAttributes, linkCreate } from "../sys/bpf.ts";
import { AttachType, ProgramType } from "../uapi.ts";
import { EBADF, type FeatureAnswer, judge, type Result } from "./answer.ts";
import { NO_DESCRIPTOR, type ProgramAttempt, withProgram } from "./attempt.ts";
import { type Feature, feature } from "./feature.ts";
import { attemptOf } from "./program-types.ts";

const ESRCH = 3;
const ENODEV = 19;
/** Names and functions of the kernel begin with other letters. */
const NO_FUNCTION = "?";
/** The largest that a number of an interface can be. */
const NO_INTERFACE = 0x7fff_ffff;

/** Kinds of links. */
export const LINKS: {
  readonly perf_link: Feature;
  readonly kprobe_multi: Feature;
  readonly uprobe_multi: Feature;
  readonly tcx: Feature;
  readonly netkit: Feature;
  readonly kprobe_session: Feature;
  readonly uprobe_session: Feature;
} = {
  perf_link: feature("links of kprobes, uprobes, tracepoints and perf events", "5.15", () => {
    return ask({ type: ProgramType.TRACEPOINT }, AttachType.PERF_EVENT, [EBADF], {
      target: NO_DESCRIPTOR,
    });
  }),
  kprobe_multi: feature("one link to many functions of the kernel", "5.18", () => {
    return kprobe(AttachType.TRACE_KPROBE_MULTI);
  }),
  uprobe_multi: feature("one link to many places of a file", "6.6", () => {
    return uprobe(AttachType.TRACE_UPROBE_MULTI);
  }),
  tcx: feature("links to the traffic control of an interface", "6.6", () => {
    return network(AttachType.TCX_INGRESS);
  }),
  netkit: feature("links to netkit devices", "6.7", () => network(AttachType.NETKIT_PRIMARY)),
  kprobe_session: feature("kprobe_multi at entry and return", "6.10", () => {
    return kprobe(AttachType.TRACE_KPROBE_SESSION);
  }),
  uprobe_session: feature("uprobe_multi at entry and return", "6.13", () => {
    return uprobe(AttachType.TRACE_UPROBE_SESSION);
  }),
};

function kprobe(attachType: number): FeatureAnswer {
  const attempt = { ...attemptOf(ProgramType.KPROBE), expectedAttachType: attachType };
  return ask(attempt, attachType, [ESRCH], { kprobeMulti: { symbols: [NO_FUNCTION] } });
}

function uprobe(attachType: number): FeatureAnswer {
  const attempt = { ...attemptOf(ProgramType.KPROBE), expectedAttachType: attachType };
  // A folder is no file to probe.
  const uprobeMulti = { path: "/", offsets: new BigUint64Array(1) };
  return ask(attempt, attachType, [EBADF], { uprobeMulti });
}

function network(attachType: number): FeatureAnswer {
  return ask({ type: ProgramType.SCHED_CLS }, attachType, [ENODEV], { target: NO_INTERFACE });
}

type Place = Pick<LinkCreateAttributes, "target" | "kprobeMulti" | "uprobeMulti">;

function ask(
  attempt: ProgramAttempt,
  attachType: number,
  complaints: readonly number[],
  place: Place,
): FeatureAnswer {
  const result = withProgram(attempt, (program): Result => {
    try {
      linkCreate(
        { program, attachType, ...place },
        "a link, to see whether the kernel can",
      ).close();
      return 0;
    } catch (error) {
      if (error instanceof SyscallError) return -error.errno;
      throw error;
    }
  });
  return judge(result, complaints);
}
