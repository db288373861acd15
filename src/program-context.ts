/**
 * The context of a program that is run by hand: its type, and values of it as bytes.
 *
 * The type is what the program's own types say of its parameter, or what the kernel documents for the program's type.
 *
 * @module
 */

import { type Btf, codecOf, Kind, type Member, resolve, sizeOf } from "../btf/index.ts";
import { hostLittleEndian, viewOf } from "./bytes.ts";
import { BtfError, UnsupportedError } from "./error.ts";
import { didYouMean, nearMatches } from "./near-matches.ts";
import { kernelBtf } from "./sys/kernel-btf.ts";
import { ProgramType } from "./uapi.ts";

/** A structure and where it stands. */
export interface ContextType {
  readonly btf: Btf;
  readonly id: number;
}

/** Structures of `include/uapi/linux/bpf.h` that `BPF_PROG_TEST_RUN` takes, whatever the program calls its parameter. */
const BY_TYPE: Readonly<Record<number, string>> = {
  [ProgramType.SOCKET_FILTER]: "__sk_buff",
  [ProgramType.SCHED_CLS]: "__sk_buff",
  [ProgramType.SCHED_ACT]: "__sk_buff",
  [ProgramType.CGROUP_SKB]: "__sk_buff",
  [ProgramType.LWT_IN]: "__sk_buff",
  [ProgramType.LWT_OUT]: "__sk_buff",
  [ProgramType.LWT_XMIT]: "__sk_buff",
  [ProgramType.LWT_SEG6LOCAL]: "__sk_buff",
  [ProgramType.XDP]: "xdp_md",
  [ProgramType.SK_LOOKUP]: "bpf_sk_lookup",
  [ProgramType.FLOW_DISSECTOR]: "bpf_flow_keys",
};
const RAW_ARGUMENTS: ReadonlySet<number> = new Set([
  ProgramType.RAW_TRACEPOINT,
  ProgramType.RAW_TRACEPOINT_WRITABLE,
]);
/** Anonymous members of hostile types may nest without end. */
const MAX_DEPTH = 16;

/** Values of a context: members by their names, arguments of a raw tracepoint in their order, or the bytes. */
export type ContextValue =
  | Uint8Array
  | Readonly<Record<string, unknown>>
  | readonly (number | bigint)[];

/**
 * The structure of a program's context, undefined where it has none that is known. `parameter` is asked for the BTF and id of the
 * program's own function.
 */
export function contextType(
  type: number,
  parameter: () => { btf: Btf; func: number } | undefined,
): ContextType | undefined {
  const name = BY_TYPE[type];
  // The kernel's own structure may have grown since the object was compiled; both begin alike.
  if (name !== undefined) return named(name) ?? ofParameter(parameter());
  return RAW_ARGUMENTS.has(type) ? undefined : ofParameter(parameter());
}

function named(name: string): ContextType | undefined {
  try {
    const btf = kernelBtf();
    const id = btf.find(name, Kind.STRUCT);
    return id === undefined ? undefined : { btf, id };
  } catch (error) {
    if (error instanceof UnsupportedError) return undefined;
    throw error;
  }
}

/** What the first parameter of a function points to, if that is a structure with a size. */
function ofParameter(parameter: { btf: Btf; func: number } | undefined): ContextType | undefined {
  if (parameter === undefined) return undefined;
  const { btf, func } = parameter;
  const type = btf.type(func);
  if (type.kind !== Kind.FUNC) return undefined;
  const proto = btf.type(type.type);
  const first = proto.kind === Kind.FUNC_PROTO ? proto.parameters[0] : undefined;
  if (first === undefined) return undefined;
  const pointer = btf.type(resolve(btf, first.type));
  if (pointer.kind !== Kind.PTR) return undefined;
  const id = resolve(btf, pointer.type);
  const kind = btf.kind(id);
  if (kind !== Kind.STRUCT && kind !== Kind.UNION) return undefined;
  return sizeOf(btf, id) === 0 ? undefined : { btf, id };
}

/**
 * A copy of `value` as bytes. Members that are not given are zero; `defaults` come before zero where the type has such a member.
 *
 * @throws TypeError for a value of a wrong type and for an unknown member, RangeError for one that does not fit; both name it.
 */
export function contextBytes(
  what: string,
  value: ContextValue,
  type: ContextType | undefined,
  programType: number,
  defaults: Readonly<Record<string, number>> = {},
): Uint8Array {
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`${what}: context is ${String(value)}, not bytes or an object`);
  }
  if (isArguments(value)) {
    if (RAW_ARGUMENTS.has(programType)) return argumentBytes(what, value);
    throw new TypeError(`${what}: context is an array, which only raw tracepoints take`);
  }
  if (type === undefined) {
    throw new TypeError(
      `${what}: nothing tells the type of its context; give its bytes${RAW_ARGUMENTS.has(programType) ? " or an array of its arguments" : ""}`,
    );
  }
  const { btf, id } = type;
  const bytes = new Uint8Array(sizeOf(btf, id));
  const members = new Map(membersOf(btf, id));
  const usable = Object.entries(defaults).filter(([name]) => members.has(name));
  for (const [name, member] of [...usable, ...Object.entries(value)]) {
    const place = members.get(name);
    if (place === undefined) {
      const hint = didYouMean(nearMatches(name, [...members.keys()]));
      throw new TypeError(`${what}: struct ${btf.name(id)} has no member ${name}${hint}`);
    }
    if (place.bitSize !== 0 || place.bitOffset % 8 !== 0) {
      throw new TypeError(`${what}: ${name} is a bit field; give the context as bytes`);
    }
    try {
      codecOf(btf, place.type).encode(member, bytes, place.bitOffset / 8);
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) {
        error.message = `${what}: context.${name}: ${error.message}`;
      }
      throw error;
    }
  }
  return bytes;
}

/** The value of a context, as its codec decodes it; bytes beyond the end of what a kernel knows read as zero. */
export function contextValue({ btf, id }: ContextType, bytes: Uint8Array): unknown {
  const codec = codecOf(btf, id);
  const whole = new Uint8Array(Math.max(codec.size, bytes.length));
  whole.set(bytes);
  return codec.decode(whole);
}

function isArguments(value: object): value is readonly (number | bigint)[] {
  return Array.isArray(value);
}

/** `__u64` after `__u64`, as raw tracepoints get their arguments. */
function argumentBytes(what: string, values: readonly (number | bigint)[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  const view = viewOf(bytes);
  for (const [index, value] of values.entries()) {
    const isInteger = typeof value === "bigint" || Number.isSafeInteger(value);
    if (!isInteger || BigInt(value) < -(1n << 63n) || BigInt(value) >= 1n << 64n) {
      throw new RangeError(`${what}: context[${index}] is ${value}, not an integer of 64 bits`);
    }
    view.setBigUint64(index * 8, BigInt.asUintN(64, BigInt(value)), hostLittleEndian);
  }
  return bytes;
}

/** Members by name, those of anonymous members among them. */
function* membersOf(btf: Btf, id: number, base = 0, depth = 0): Generator<[string, Member]> {
  const struct = btf.type(id);
  if (struct.kind !== Kind.STRUCT && struct.kind !== Kind.UNION) return;
  if (depth > MAX_DEPTH) {
    throw new BtfError(`anonymous members are nested more than ${MAX_DEPTH} deep`, { typeId: id });
  }
  for (const member of struct.members) {
    const bitOffset = base + member.bitOffset;
    if (member.name !== "") yield [member.name, { ...member, bitOffset }];
    else yield* membersOf(btf, resolve(btf, member.type), bitOffset, depth + 1);
  }
}
