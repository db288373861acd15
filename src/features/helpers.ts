/**
 * Which helpers programs of a type may call: a program that does nothing else is shown to the
 * verifier, whose complaint tells a helper that is not known, or not to this type, from one whose
 * arguments are missing.
 *
 * @module
 */

import { Kind } from "../../btf/index.ts";
import { call, exit, Helper, type HelperName, helperName, helperSince } from "../asm/index.ts";
import { didYouMean, nearMatches } from "../near-matches.ts";
import { kernelBtf } from "../sys/kernel-btf.ts";
import { AttachType, nameOf, ProgramType } from "../uapi.ts";
import { type FeatureAnswer, judge, supported, unknown, unsupported } from "./answer.ts";
import { type ProgramAttempt, programOf, tryProgram } from "./attempt.ts";
import { cached } from "./cache.ts";
import { attemptOf, haveProgramType } from "./program-types.ts";

/** What verifiers of all releases say of a call that a program of the type cannot make. */
const COMPLAINTS = [
  "invalid func ",
  "unknown func ",
  "program of this type cannot use helper ",
] as const;

/** Functions that kernels with tracing and LSM programs have, for those must name one. */
const TARGETS: Readonly<Record<number, readonly [attachType: number, names: readonly string[]]>> = {
  [ProgramType.TRACING]: [AttachType.TRACE_FENTRY, ["bpf_fentry_test1", "do_unlinkat", "vfs_read"]],
  [ProgramType.LSM]: [AttachType.LSM_MAC, ["bpf_lsm_file_open", "bpf_lsm_bpf"]],
};

/** Helpers whose verification writes a warning to the kernel's log. */
export const noisyHelpers: readonly HelperName[] = [
  "trace_printk",
  "trace_vprintk",
  "probe_write_user",
];

/**
 * Whether programs of a type (`ProgramType`) may call a helper, by name without its `bpf_` or by
 * number, on the running kernel; kept for the life of the process once it is known. Tracing
 * programs are tried at the entry of a function, LSM programs at a hook; what may be called can
 * depend on both. Extensions and struct_ops programs take what their targets may: unknown.
 *
 * @throws RangeError for a program type or a helper that this package does not know.
 */
export function haveHelper(type: ProgramType, helper: HelperName | number): FeatureAnswer {
  const id = typeof helper === "number" ? helper : (Helper[helper] ?? 0);
  const name = helperName(id);
  if (id === 0 || name === undefined) {
    const bare = String(helper).replace(/^bpf_/, "");
    const near = Object.hasOwn(Helper, bare) ? [bare] : nearMatches(bare, Object.keys(Helper));
    throw new RangeError(
      `probe a helper: there is no ${JSON.stringify(helper)}${didYouMean(near)}; names are those of Helper, of \`ebpf/asm\`, without bpf_`,
    );
  }
  const known = haveProgramType(type);
  return cached(`helper ${type} ${id}`, helperSince(id), () => {
    if (known.state !== "supported") return known;
    const attempt = callerOf(type);
    return "state" in attempt ? attempt : probe(attempt, id, name);
  });
}

function probe(caller: ProgramAttempt, id: number, name: HelperName): FeatureAnswer {
  const { result, log } = tryProgram({ ...caller, instructions: programOf([call(id), exit()]) });
  if (result >= 0) return supported();
  const complaint = COMPLAINTS.find((text) => log.includes(text));
  if (complaint === undefined) return log === "" ? judgeSilence(result) : supported(-result);
  const type = nameOf(ProgramType, caller.type);
  // Old verifiers say "unknown func" of both.
  const reason =
    complaint === "invalid func "
      ? `the kernel has no helper ${name}`
      : `programs of type ${type} cannot call ${name}`;
  return unsupported(reason, -result);
}

/** Without a log the verifier was not reached, so that nothing is known of the helper. */
function judgeSilence(result: number): FeatureAnswer {
  const { state, reason, code } = judge(result);
  return unknown(state === "unsupported" ? "the program was refused unseen" : reason, code);
}

/** A program of the type that the verifier will look at, or why there is none. */
function callerOf(type: number): ProgramAttempt | FeatureAnswer {
  if (type === ProgramType.EXT || type === ProgramType.STRUCT_OPS) {
    return unknown(`what ${nameOf(ProgramType, type)} programs may call depends on their target`);
  }
  const target = TARGETS[type];
  if (target === undefined) return attemptOf(type);
  const [expectedAttachType, names] = target;
  const types = kernelBtf();
  for (const name of names) {
    const attachBtfId = types.find(name, Kind.FUNC);
    if (attachBtfId !== undefined) return { type, expectedAttachType, attachBtfId };
  }
  return unknown(`the kernel has none of the functions ${names.join(", ")} to try it on`);
}
