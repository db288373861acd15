/**
 * Statements of BPF programs written in TypeScript: one function a kind of instruction, in the kernel's own notation.
 *
 * `alu("r1", "+=", 5)` is what the verifier prints as `r1 += 5`; with `w1` in place of `r1` it works on the low 32 bits.
 * Places in the program are named by labels; `assemble` (build.ts) turns them into distances. Operands that cannot be
 * encoded are a TypeError or RangeError here; whether the program is sound is left to the verifier.
 *
 * @module
 */

import { Helper, type HelperName } from "./helper.ts";
import type { Instruction } from "./instruction.ts";
import {
  AccessMode,
  AccessSize,
  ADDR_SPACE_CAST,
  AluOperator,
  AtomicOperator,
  CALL,
  EXIT,
  JumpOperator,
  LOAD_IMM64,
  OpcodeClass,
  OperandSource,
  PseudoSource,
} from "./opcode.ts";
import {
  displacement,
  type HalfRegister,
  immediate,
  isWide,
  number,
  pick,
  type Register,
  sameWidth,
  wideNumber,
  within,
} from "./operand.ts";

export type { HalfRegister, Register };

/** The size of a memory access. */
export type Size = "u8" | "u16" | "u32" | "u64";

/** What a name in a statement refers to. */
export type ReferenceKind = "map" | "map value" | "function" | "callback" | "kernel function";

/** A line of a program: an instruction, with the name it needs resolved if any, or a label for what follows. */
export type Statement =
  | { readonly kind: "label"; readonly name: string }
  | {
      readonly kind: "instruction";
      readonly instruction: Instruction;
      /** A place in the program to jump to. */
      readonly target?: string;
      /** A map or function. */
      readonly reference?: { readonly kind: ReferenceKind; readonly name: string };
    };

/** What {@link alu} can do. */
export type AluName =
  | "="
  | "+="
  | "-="
  | "*="
  | "/="
  | "s/="
  | "%="
  | "s%="
  | "|="
  | "&="
  | "^="
  | "<<="
  | ">>="
  | "s>>=";

const aluOperators: Readonly<Record<AluName, number>> = {
  "=": AluOperator.MOV,
  "+=": AluOperator.ADD,
  "-=": AluOperator.SUB,
  "*=": AluOperator.MUL,
  "/=": AluOperator.DIV,
  "s/=": AluOperator.DIV,
  "%=": AluOperator.MOD,
  "s%=": AluOperator.MOD,
  "|=": AluOperator.OR,
  "&=": AluOperator.AND,
  "^=": AluOperator.XOR,
  "<<=": AluOperator.LSH,
  ">>=": AluOperator.RSH,
  "s>>=": AluOperator.ARSH,
};

/** What {@link jumpIf} can compare. */
export type Comparison = "==" | "!=" | ">" | ">=" | "<" | "<=" | "s>" | "s>=" | "s<" | "s<=" | "&";

const comparisons: Readonly<Record<Comparison, number>> = {
  "==": JumpOperator.JEQ,
  "!=": JumpOperator.JNE,
  ">": JumpOperator.JGT,
  ">=": JumpOperator.JGE,
  "<": JumpOperator.JLT,
  "<=": JumpOperator.JLE,
  "s>": JumpOperator.JSGT,
  "s>=": JumpOperator.JSGE,
  "s<": JumpOperator.JSLT,
  "s<=": JumpOperator.JSLE,
  "&": JumpOperator.JSET,
};

/** What {@link atomic} can do. */
export type AtomicName =
  | "+="
  | "|="
  | "&="
  | "^="
  | "fetch +="
  | "fetch |="
  | "fetch &="
  | "fetch ^="
  | "xchg"
  | "cmpxchg";

const atomics: Readonly<Record<AtomicName, number>> = {
  "+=": AtomicOperator.ADD,
  "|=": AtomicOperator.OR,
  "&=": AtomicOperator.AND,
  "^=": AtomicOperator.XOR,
  "fetch +=": AtomicOperator.ADD | AtomicOperator.FETCH,
  "fetch |=": AtomicOperator.OR | AtomicOperator.FETCH,
  "fetch &=": AtomicOperator.AND | AtomicOperator.FETCH,
  "fetch ^=": AtomicOperator.XOR | AtomicOperator.FETCH,
  xchg: AtomicOperator.XCHG,
  cmpxchg: AtomicOperator.CMPXCHG,
};

const sizes: Readonly<Record<Size, number>> = {
  u8: AccessSize.B,
  u16: AccessSize.H,
  u32: AccessSize.W,
  u64: AccessSize.DW,
};

const signedSizes = { s8: AccessSize.B, s16: AccessSize.H, s32: AccessSize.W } as const;

/** Arithmetic and moves: `alu("r1", "=", "r2")`, `alu("w0", "+=", 1)`; `s/=` and `s%=` are signed, Linux 6.6. */
export function alu<R extends Register | HalfRegister>(
  dst: R,
  operator: AluName,
  source: (R extends Register ? Register : HalfRegister) | number,
): Statement {
  const code = pick(aluOperators, operator, "operator");
  const wide = isWide(dst);
  const opcode = (wide ? OpcodeClass.ALU64 : OpcodeClass.ALU) | code;
  const offset = operator === "s/=" || operator === "s%=" ? 1 : 0;
  if (typeof source === "number") {
    return one({ opcode, dst: number(dst), offset, imm: immediate(source, !wide) });
  }
  sameWidth(dst, source);
  return one({
    opcode: opcode | OperandSource.X,
    dst: number(dst),
    src: number(source),
    offset,
  });
}

/** A move that extends the sign from 8, 16 or 32 bits: `extend("r1", "s8", "r2")` is `r1 = (s8)r2`, Linux 6.6. */
export function extend<R extends Register | HalfRegister>(
  dst: R,
  from: "s8" | "s16" | "s32",
  src: R extends Register ? Register : HalfRegister,
): Statement {
  sameWidth(dst, src);
  pick(signedSizes, from, "size");
  if (from === "s32" && !isWide(dst)) throw new TypeError(`${dst} = (s32)${src} extends nothing`);
  return one({
    opcode: (isWide(dst) ? OpcodeClass.ALU64 : OpcodeClass.ALU) | AluOperator.MOV | OperandSource.X,
    dst: number(dst),
    src: number(src),
    offset: Number(from.slice(1)),
  });
}

/** `negate("r1")` is `r1 = -r1`. */
export function negate(dst: Register | HalfRegister): Statement {
  const kind = isWide(dst) ? OpcodeClass.ALU64 : OpcodeClass.ALU;
  return one({ opcode: kind | AluOperator.NEG, dst: number(dst) });
}

/** Converts to a byte order (`be`, `le`) or swaps bytes (`bswap`, Linux 6.6), and clears what is above. */
export function swap(dst: Register, order: `${"be" | "le" | "bswap"}${16 | 32 | 64}`): Statement {
  const match = /^(be|le|bswap)(16|32|64)$/.exec(order);
  if (match === null) throw new TypeError(`unknown byte order ${JSON.stringify(order)}`);
  const kind = match[1] === "bswap" ? OpcodeClass.ALU64 : OpcodeClass.ALU;
  const source = match[1] === "be" ? OperandSource.X : OperandSource.K;
  const opcode = kind | AluOperator.END | source;
  return one({ opcode, dst: wideNumber(dst), imm: Number(match[2]) });
}

/** `dst = addr_space_cast(src, to, from)`: a pointer between an arena and its user mapping, Linux 6.9. */
export function castAddressSpace(
  dst: Register,
  src: Register,
  to: number,
  from: number,
): Statement {
  return one({
    opcode: OpcodeClass.ALU64 | AluOperator.MOV | OperandSource.X,
    dst: wideNumber(dst),
    src: wideNumber(src),
    offset: ADDR_SPACE_CAST,
    imm: (within(to, 0, 0xffff, "address space") << 16) | within(from, 0, 0xffff, "address space"),
  });
}

/** `load("r1", "u64", "r6", 8)` is `r1 = *(u64 *)(r6 +8)`; with s8, s16 or s32 it extends the sign, Linux 6.6. */
export function load(
  dst: Register,
  size: Size | "s8" | "s16" | "s32",
  base: Register,
  offset = 0,
): Statement {
  const code = size.startsWith("s")
    ? AccessMode.MEMSX | pick(signedSizes, size as keyof typeof signedSizes, "size")
    : AccessMode.MEM | pick(sizes, size as Size, "size");
  return one({
    opcode: OpcodeClass.LDX | code,
    dst: wideNumber(dst),
    src: wideNumber(base),
    offset: displacement(offset),
  });
}

/** `store("u32", "r10", -4, "r1")` is `*(u32 *)(r10 -4) = r1`; the value may be a number of 32 bits. */
export function store(
  size: Size,
  base: Register,
  offset: number,
  value: Register | number,
): Statement {
  const code = AccessMode.MEM | pick(sizes, size, "size");
  const at = { dst: wideNumber(base), offset: displacement(offset) };
  return typeof value === "number"
    ? one({ opcode: OpcodeClass.ST | code, ...at, imm: immediate(value, size !== "u64") })
    : one({ opcode: OpcodeClass.STX | code, ...at, src: wideNumber(value) });
}

/** Packet bytes in host order into r0, clobbering r1 to r5; r6 must hold the context. Socket filters and tc only. */
export function loadPacket(
  size: "u8" | "u16" | "u32",
  offset: number,
  index?: Register,
): Statement {
  const code = OpcodeClass.LD | pick(sizes, size, "size");
  const imm = immediate(offset, false);
  return index === undefined
    ? one({ opcode: code | AccessMode.ABS, imm })
    : one({ opcode: code | AccessMode.IND, src: wideNumber(index), imm });
}

/**
 * A read-modify-write of u32 or u64 memory that no other CPU can split.
 *
 * With `fetch` and `xchg` the old value goes to `src`, with `cmpxchg` to r0, which is what memory is compared to. All but
 * `+=` need Linux 5.12.
 */
export function atomic(
  size: "u32" | "u64",
  base: Register,
  offset: number,
  operator: AtomicName,
  src: Register,
): Statement {
  if (size !== "u32" && size !== "u64") throw new TypeError(`no atomics of size ${size}`);
  return one({
    opcode: OpcodeClass.STX | AccessMode.ATOMIC | sizes[size],
    dst: wideNumber(base),
    src: wideNumber(src),
    offset: displacement(offset),
    imm: pick(atomics, operator, "atomic operator"),
  });
}

/** `dst = load_acquire((size *)(base + offset))`, Linux 6.15. */
export function loadAcquire(dst: Register, size: Size, base: Register, offset = 0): Statement {
  return one({
    opcode: OpcodeClass.STX | AccessMode.ATOMIC | pick(sizes, size, "size"),
    dst: wideNumber(dst),
    src: wideNumber(base),
    offset: displacement(offset),
    imm: AtomicOperator.LOAD_ACQ,
  });
}

/** `store_release((size *)(base + offset), src)`, Linux 6.15. */
export function storeRelease(size: Size, base: Register, offset: number, src: Register): Statement {
  return one({
    opcode: OpcodeClass.STX | AccessMode.ATOMIC | pick(sizes, size, "size"),
    dst: wideNumber(base),
    src: wideNumber(src),
    offset: displacement(offset),
    imm: AtomicOperator.STORE_REL,
  });
}

/** All 64 bits of a register from a number or bigint, signed or unsigned; takes two slots. */
export function loadImm64(dst: Register, value: bigint | number): Statement {
  const imm64 = BigInt(value);
  if (imm64 < -0x8000_0000_0000_0000n || imm64 > 0xffff_ffff_ffff_ffffn) {
    throw new RangeError(`immediate ${value} does not fit 64 bits`);
  }
  return two(dst, 0, BigInt.asUintN(64, imm64));
}

/** A map by name, as helpers take it; takes two slots. */
export function loadMap(dst: Register, map: string): Statement {
  return two(dst, PseudoSource.MAP_FD, 0n, { kind: "map", name: map });
}

/** The address of a byte in the value of an array map with one entry, Linux 5.2; takes two slots. */
export function loadMapValue(dst: Register, map: string, offset = 0): Statement {
  const bytes = BigInt(within(offset, 0, 0xffff_ffff, "offset in a map value"));
  return two(dst, PseudoSource.MAP_VALUE, bytes << 32n, { kind: "map value", name: map });
}

/** The address of a function of the program, for helpers that call back, Linux 5.13; takes two slots. */
export function loadFunction(dst: Register, name: string): Statement {
  return two(dst, PseudoSource.FUNC, 0n, { kind: "callback", name });
}

/** `goto`, at most 32 767 slots away. */
export function jump(target: string): Statement {
  return one({ opcode: OpcodeClass.JMP | JumpOperator.JA }, { target });
}

/** `gotol`, any distance, Linux 6.6. */
export function longJump(target: string): Statement {
  return one({ opcode: OpcodeClass.JMP32 | JumpOperator.JA }, { target });
}

/** `jumpIf("r0", "==", 0, "out")` is `if r0 == 0x0 goto out`; `&` jumps when a bit is set in both. */
export function jumpIf<R extends Register | HalfRegister>(
  left: R,
  comparison: Comparison,
  right: (R extends Register ? Register : HalfRegister) | number,
  target: string,
): Statement {
  const wide = isWide(left);
  const opcode =
    (wide ? OpcodeClass.JMP : OpcodeClass.JMP32) | pick(comparisons, comparison, "comparison");
  const dst = number(left);
  if (typeof right === "number") {
    return one({ opcode, dst, imm: immediate(right, !wide) }, { target });
  }
  sameWidth(left, right);
  return one({ opcode: opcode | OperandSource.X, dst, src: number(right) }, { target });
}

/** A jump that the kernel takes once the program has run too long: bounds a loop, Linux 6.9. */
export function mayGoto(target: string): Statement {
  return one({ opcode: OpcodeClass.JMP | JumpOperator.JCOND }, { target });
}

/** Calls a helper by name without its `bpf_`, or by number. */
export function call(helper: HelperName | number): Statement {
  const imm = typeof helper === "number" ? helper : pick(Helper, helper, "helper");
  return one({ opcode: CALL, imm: immediate(imm, false) });
}

/** Calls a function of the program by its label, or by a name that is linked later, Linux 4.16. */
export function callFunction(name: string): Statement {
  return one(
    { opcode: CALL, src: PseudoSource.CALL, imm: -1 },
    { reference: { kind: "function", name } },
  );
}

/** Calls a kernel function by name, Linux 5.13. */
export function callKernelFunction(name: string): Statement {
  return one(
    { opcode: CALL, src: PseudoSource.KFUNC_CALL, imm: -1 },
    { reference: { kind: "kernel function", name } },
  );
}

/** Returns r0 from the program or function. */
export function exit(): Statement {
  return one({ opcode: EXIT });
}

/** Names the place of the next instruction, for jumps and calls. */
export function label(name: string): Statement {
  return { kind: "label", name };
}

type Extra = { target?: string; reference?: { kind: ReferenceKind; name: string } };

function one(fields: Partial<Instruction> & { opcode: number }, extra: Extra = {}): Statement {
  const instruction = { dst: 0, src: 0, offset: 0, imm: 0, ...fields };
  return { kind: "instruction", instruction, ...extra };
}

function two(dst: Register, src: number, imm64: bigint, reference?: Extra["reference"]): Statement {
  const imm = Number(BigInt.asIntN(32, imm64));
  return one(
    { opcode: LOAD_IMM64, dst: wideNumber(dst), src, imm, imm64 },
    reference === undefined ? {} : { reference },
  );
}
