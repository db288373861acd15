/**
 * What a program is told of the arguments of one place of a static probe: the value of a `struct __bpf_usdt_spec`, which
 * `bpf_usdt_arg()` of libbpf's `bpf/usdt.bpf.h` reads.
 *
 * @module
 */

import { UnsupportedError } from "../src/error.ts";
import type { UsdtArgument, UsdtConstant, UsdtMemory } from "./usdt-arguments.ts";
import type { ArgumentField, BitField, SpecLayout } from "./usdt-layout.ts";
import { instructionPointer, registerOffset } from "./usdt-registers.ts";

/** `enum __bpf_usdt_arg_type` of usdt.bpf.h; the last since libbpf 1.7. */
const ArgumentType = { CONST: 0, REG: 1, REG_DEREF: 2, SIB: 3 } as const;

/** What is known of the place that the arguments are of. */
export interface UsdtPlace {
  /** For people, such as `node:gc-start in /usr/bin/node`. */
  readonly text: string;
  readonly machine: number;
  /** Of the probe's instruction. */
  readonly address: number;
  /** Whether the file runs at the addresses that it says, as executables that are not position-independent do. */
  readonly fixed: boolean;
  /** The address of what the file defines under a name; undefined for nothing, and for several. */
  symbolAddress(name: string): bigint | undefined;
}

type Fields = Partial<Record<ArgumentField, bigint>>;

/**
 * The bytes of a spec.
 *
 * @throws UnsupportedError that names an argument which such a program cannot read.
 */
export function encodeSpec(
  layout: SpecLayout,
  args: readonly UsdtArgument[],
  cookie: bigint,
  place: UsdtPlace,
): Uint8Array {
  if (args.length > layout.count) {
    throw new UnsupportedError(
      `${place.text} has ${args.length} arguments, but programs read at most ${layout.count}`,
      { feature: `more than ${layout.count} arguments of static probes` },
    );
  }
  const bytes = new Uint8Array(layout.size);
  for (const [index, argument] of args.entries()) {
    const start = layout.first + index * layout.stride;
    const fields = fieldsOf(argument, layout, place);
    for (const [name, value] of Object.entries(fields) as [ArgumentField, bigint][]) {
      const field = layout.argument[name];
      if (field !== undefined) write(bytes, start, field, value);
    }
  }
  write(bytes, 0, layout.cookie, cookie);
  write(bytes, 0, layout.argumentCount, BigInt(args.length));
  return bytes;
}

function fieldsOf(argument: UsdtArgument, layout: SpecLayout, place: UsdtPlace): Fields {
  const { size, signed } = argument;
  if (![1, 2, 4, 8].includes(size)) throw unreadable(argument, place, "its size is unusual");
  const common = { arg_signed: signed ? 1n : 0n, arg_bitshift: BigInt(64 - size * 8) };
  switch (argument.kind) {
    case "constant": {
      const value = argument.value + absolute(argument, place);
      return { ...common, arg_type: BigInt(ArgumentType.CONST), val_off: value };
    }
    case "register": {
      const reg_off = registerAt(argument.register, place);
      return { ...common, arg_type: BigInt(ArgumentType.REG), reg_off };
    }
    case "memory":
      return { ...common, ...memoryFields(argument, layout, place) };
    default:
      throw unreadable(argument, place, whereItIs(argument.text));
  }
}

/** Registers of floats and vectors are not among those that programs get: %xmm0, %st(1) and the like of x86-64, d0 of arm64. */
function whereItIs(text: string): string {
  const segment = /@%([fg]s):/.exec(text)?.[1];
  if (segment !== undefined) return inThread(segment);
  const register = /@(%(?:[xyz]?mm\d+|st(?:\(\d\))?|k\d)|[bhsdqv]\d+)$/.exec(text)?.[1];
  return register === undefined
    ? "it is in no register, memory or constant that is known"
    : `it is in ${register}, and programs get no registers of floats and vectors`;
}

function inThread(segment: string): string {
  return `it is in a thread's own memory (%${segment}), and where that is, programs are not told`;
}

function memoryFields(argument: UsdtMemory, layout: SpecLayout, place: UsdtPlace): Fields {
  const { index, scale, symbol, segment } = argument;
  if (segment !== undefined) {
    throw unreadable(argument, place, inThread(segment));
  }
  const arg_type = BigInt(ArgumentType.REG_DEREF);
  const isPlain = argument.base === undefined && index === undefined;
  if (isPlain || argument.base === "rip") return besideProbe(argument, place, arg_type);
  const val_off = argument.offset + (symbol === undefined ? 0n : absolute(argument, place));
  // Without a base the index can take its place, unless it is scaled.
  const base = argument.base ?? (scale === 1 ? index : undefined);
  if (base === undefined) throw unreadable(argument, place, "a scaled index needs a base");
  const reg_off = registerAt(base, place);
  if (index === undefined || argument.base === undefined) return { arg_type, val_off, reg_off };
  if (layout.argument.idx_reg_off === undefined || layout.argument.scale_bitshift === undefined) {
    throw unreadable(
      argument,
      place,
      "indexed memory is read by programs that were built with bpf/usdt.bpf.h of libbpf 1.7 or later",
    );
  }
  return {
    arg_type: BigInt(ArgumentType.SIB),
    val_off,
    reg_off,
    idx_reg_off: registerAt(index, place),
    scale_bitshift: BigInt(Math.log2(scale)),
  };
}

/** Memory at a known address is so many bytes from the probe, wherever both of them are loaded. */
function besideProbe(argument: UsdtMemory, place: UsdtPlace, arg_type: bigint): Fields {
  const { base, symbol, offset } = argument;
  if (symbol === undefined && (base === "rip" || !place.fixed)) {
    // Counted from an instruction that the note does not tell.
    throw unreadable(argument, place, "it does not say from where it counts");
  }
  const address = offset + (symbol === undefined ? 0n : addressOf(argument, symbol, place));
  const reg_off = BigInt(instructionPointer(place.machine));
  return { arg_type, val_off: address - BigInt(place.address), reg_off };
}

/** The address of the symbol of an argument, 0 without one. */
function absolute(argument: UsdtConstant | UsdtMemory, place: UsdtPlace): bigint {
  const { symbol } = argument;
  if (symbol === undefined) return 0n;
  if (place.fixed) return addressOf(argument, symbol, place);
  throw unreadable(argument, place, `${symbol} is elsewhere in each process`);
}

function addressOf(argument: UsdtArgument, symbol: string, place: UsdtPlace): bigint {
  const address = place.symbolAddress(symbol);
  if (address !== undefined) return address;
  throw unreadable(argument, place, `the file's symbols do not tell where ${symbol} is`);
}

function registerAt(name: string, place: UsdtPlace): bigint {
  // Names of other registers were not taken for any.
  return BigInt(registerOffset(place.machine, name) ?? 0);
}

function unreadable({ text }: UsdtArgument, place: UsdtPlace, why: string): UnsupportedError {
  return new UnsupportedError(`argument ${text} of ${place.text} cannot be read: ${why}`, {
    feature: `arguments of static probes such as ${text}`,
  });
}

/** Writes the low bits of `value`, little-endian as all machines are whose arguments are understood. */
function write(bytes: Uint8Array, start: number, { at, bits }: BitField, value: bigint): void {
  const wanted = BigInt.asUintN(bits, value);
  for (let bit = 0; bit < bits; bit++) {
    const place = start + at + bit;
    if ((wanted >> BigInt(bit)) & 1n) bytes[place >> 3]! |= 1 << (place & 7);
  }
}
