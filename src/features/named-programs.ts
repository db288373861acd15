/**
 * What the verifier and the loader of programs take: instructions, loops, sizes, names, variables.
 *
 * @module
 */

import { BtfBuilder, Kind } from "../../btf/index.ts";
import {
  alu,
  assemble,
  atomic,
  call,
  callFunction,
  exit,
  extend,
  jumpIf,
  label,
  load,
  loadAcquire,
  loadMapValue,
  longJump,
  mayGoto,
  type Statement,
  setImm,
  store,
  swap,
} from "../asm/index.ts";
import { hostLittleEndian, viewOf } from "../bytes.ts";
import { AttachType, MapType, ProgramType } from "../uapi.ts";
import {
  type FeatureAnswer,
  judge,
  type Result,
  supported,
  unknownErrno,
  unsupported,
} from "./answer.ts";
import { programOf, returnZero, tryProgram, tryQuietly, withMap, withTypes } from "./attempt.ts";
import { type Feature, feature } from "./feature.ts";
import { haveHelper } from "./helpers.ts";
import { attemptOf } from "./program-types.ts";

/** What kernels before 5.2 took from anybody, and others still take from the unprivileged. */
const OLD_LARGEST = 4096;

const { SOCKET_FILTER, TRACEPOINT } = ProgramType;

/** What a program may be and have. */
export const PROGRAMS: {
  readonly isa_v2: Feature;
  readonly program_names: Feature;
  readonly bpf_to_bpf_calls: Feature;
  readonly expected_attach_type: Feature;
  readonly isa_v3: Feature;
  readonly global_data: Feature;
  readonly large_programs: Feature;
  readonly bounded_loops: Feature;
  readonly fentry: Feature;
  readonly probe_read_kernel: Feature;
  readonly memory_cgroups: Feature;
  readonly atomics: Feature;
  readonly bpf_cookie: Feature;
  readonly isa_v4: Feature;
  readonly arg_ctx_tag: Feature;
  readonly may_goto: Feature;
  readonly load_acquire: Feature;
  readonly fsession: Feature;
} = {
  isa_v2: feature("instructions of version 2: jumps on less", "4.14", () => {
    return run([alu("r0", "=", 0), jumpIf("r0", "<", 0, "end"), label("end"), exit()]);
  }),
  program_names: feature("names of programs", "4.15", () => {
    return judge(tryProgram({ type: SOCKET_FILTER, name: "probe" }).result);
  }),
  bpf_to_bpf_calls: feature("functions in programs", "4.16", () => {
    return run([callFunction("f"), exit(), label("f"), alu("r0", "=", 0), exit()]);
  }),
  expected_attach_type: feature("a program says where it will be attached", "4.17", () => {
    const expectedAttachType = AttachType.CGROUP_INET_SOCK_CREATE;
    return judge(tryProgram({ type: ProgramType.CGROUP_SOCK, expectedAttachType }).result);
  }),
  isa_v3: feature("instructions of version 3: jumps on 32 bits", "5.1", () => {
    return run([alu("r0", "=", 0), jumpIf("w0", "<", 0, "end"), label("end"), exit()]);
  }),
  global_data: feature("global variables", "5.2", () => judge(useVariable())),
  large_programs: feature("programs of up to a million instructions, not 4096", "5.2", () => {
    return run([...Array.from({ length: OLD_LARGEST }, () => alu("r0", "=", 1)), exit()]);
  }),
  bounded_loops: feature("loops whose end the verifier can see", "5.3", () => {
    const loop = [label("loop"), alu("r0", "-=", 1), jumpIf("r0", "!=", 0, "loop")];
    return run([alu("r0", "=", 10), ...loop, exit()]);
  }),
  fentry: feature("programs at entry and exit of functions", "5.5", () => {
    return traceAs(AttachType.TRACE_FENTRY);
  }),
  probe_read_kernel: feature("reading of kernel memory told from that of users", "5.5", () => {
    return haveHelper(TRACEPOINT, "probe_read_kernel");
  }),
  memory_cgroups: feature(
    "memory is charged to control groups, not to RLIMIT_MEMLOCK",
    "5.11",
    () => {
      // Both came with the same release, and the charging cannot be seen.
      return haveHelper(SOCKET_FILTER, "ktime_get_coarse_ns");
    },
  ),
  atomics: feature("atomic instructions that return the old value", "5.12", () => {
    const place = store("u64", "r10", -8, 0);
    return run([place, alu("r0", "=", 1), atomic("u64", "r10", -8, "fetch +=", "r0"), exit()]);
  }),
  bpf_cookie: feature("numbers that a program is attached with", "5.15", () => {
    return haveHelper(TRACEPOINT, "get_attach_cookie");
  }),
  isa_v4: feature("instructions of version 4: long jumps, signed loads", "6.6", () => {
    // All of them: stable kernels before 6.6, such as 6.1, have only the long jump.
    const signed = [load("r1", "s8", "r10", -8), extend("r1", "s16", "r1"), alu("r1", "s/=", 3)];
    const others = [alu("r1", "s%=", 3), swap("r1", "bswap32"), store("u64", "r10", -8, "r1")];
    const jump = [alu("r0", "=", 0), jumpIf("r0", "==", 1, "other"), longJump("end")];
    const end = [label("other"), alu("r0", "=", 1), label("end"), exit()];
    return run([store("u64", "r10", -8, 0x80), ...signed, ...others, ...jump, ...end]);
  }),
  arg_ctx_tag: feature("functions that are told of their context by a tag", "6.8", () => {
    return judge(useContextTag());
  }),
  may_goto: feature("loops that the kernel ends", "6.9", () => {
    return run([alu("r0", "=", 0), mayGoto("end"), alu("r0", "=", 1), label("end"), exit()]);
  }),
  load_acquire: feature("loads and stores in order", "6.15", () => {
    return run([store("u64", "r10", -8, 0), loadAcquire("r0", "u64", "r10", -8), exit()]);
  }),
  fsession: feature("one program at entry and exit of a function", "7.0", () => {
    return traceAs(AttachType.TRACE_FSESSION);
  }),
};

function run(statements: readonly Statement[]): FeatureAnswer {
  return judge(tryQuietly({ type: SOCKET_FILTER, instructions: programOf(statements) }));
}

/** Type 1 of the kernel is no function, says a kernel that knows what it is to be attached to. */
function traceAs(expectedAttachType: number): FeatureAnswer {
  const attempt = { ...attemptOf(ProgramType.TRACING), expectedAttachType };
  const { result, log } = tryProgram({ ...attempt, instructions: returnZero() });
  if (log.includes("is not a function")) return supported(-result);
  const answer = judge(result);
  if (answer.state === "unknown") return unknownErrno(-result);
  return unsupported("the kernel does not know it", -result);
}

function useVariable(): Result {
  const map = { type: MapType.ARRAY, keySize: 4, valueSize: 32, maxEntries: 1 };
  return withMap(map, (fd) => {
    const { bytes, references } = assemble([
      loadMapValue("r1", "variables", 16),
      store("u64", "r1", 0, 42),
      alu("r0", "=", 0),
      exit(),
    ]);
    setImm(viewOf(bytes), references[0]?.slot ?? 0, hostLittleEndian, fd.number);
    return tryProgram({ type: SOCKET_FILTER, instructions: bytes }).result;
  });
}

/** A function whose parameter is a `void *` that a tag calls a context, which a helper wants. */
function useContextTag(): Result {
  const types = new BtfBuilder();
  const int = types.add({ kind: Kind.INT, name: "int", size: 4, ...INT });
  const pointer = types.add({ kind: Kind.PTR, type: 0 });
  const parameters = [{ name: "a", type: pointer }];
  const prototype = types.add({ kind: Kind.FUNC_PROTO, returns: int, parameters });
  const main = types.add({ kind: Kind.FUNC, name: "a", type: prototype, linkage: 1 });
  const called = types.add({ kind: Kind.FUNC, name: "b", type: prototype, linkage: 1 });
  types.add({ kind: Kind.DECL_TAG, name: "arg:ctx", type: called, component: 0 });
  const instructions = programOf([
    callFunction("b"),
    exit(),
    label("b"),
    call("get_func_ip"),
    exit(),
  ]);
  const records = new Uint32Array([0, main, 2, called]);
  return withTypes(types.bytes(), (btf) => {
    const functionInfo = new Uint8Array(records.buffer);
    return tryProgram({ ...attemptOf(ProgramType.KPROBE), instructions, btf, functionInfo }).result;
  });
}

const INT = { signed: true, char: false, bool: false, bitOffset: 0, bits: 32 } as const;
