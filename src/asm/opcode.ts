/**
 * What the eight bits of an instruction's opcode mean: classes, operators, sizes, modes, and predicates over them.
 *
 * ```
 *  loads and stores   msb [ mode:3 ][ size:2 ][ class:3 ] lsb
 *  ALU and jumps      msb [ operator:4 ][ source:1 ][ class:3 ] lsb
 * ```
 *
 * Values are those of `include/uapi/linux/bpf.h` and `bpf_common.h`; the releases are those that first verified a form.
 * Some operators are told apart by other fields: the offset makes a division signed or a move sign-extending, the
 * immediate selects an atomic operation.
 *
 * @module
 */

/** Instruction classes (low three bits). */
export const OpcodeClass = {
  /** `BPF_LD`: 64-bit immediates and packet access. */
  LD: 0x00,
  /** `BPF_LDX`: loads from memory. */
  LDX: 0x01,
  /** `BPF_ST`: stores of immediates. */
  ST: 0x02,
  /** `BPF_STX`: stores of registers, and atomics. */
  STX: 0x03,
  /** `BPF_ALU`: arithmetic on the low 32 bits; clears the high ones. */
  ALU: 0x04,
  /** `BPF_JMP`: jumps that compare 64 bits, calls, exit. */
  JMP: 0x05,
  /** `BPF_JMP32`: jumps that compare 32 bits, Linux 5.1. */
  JMP32: 0x06,
  /** `BPF_ALU64`: arithmetic on 64 bits. */
  ALU64: 0x07,
} as const;
export type OpcodeClass = (typeof OpcodeClass)[keyof typeof OpcodeClass];

/** Access sizes of loads and stores (bits 3 and 4). */
export const AccessSize = {
  /** `BPF_W`: 4 bytes. */
  W: 0x00,
  /** `BPF_H`: 2 bytes. */
  H: 0x08,
  /** `BPF_B`: 1 byte. */
  B: 0x10,
  /** `BPF_DW`: 8 bytes. */
  DW: 0x18,
} as const;
export type AccessSize = (typeof AccessSize)[keyof typeof AccessSize];

/** Modes of loads and stores (high three bits). */
export const AccessMode = {
  /** `BPF_IMM`: with class LD and size DW, a 64-bit immediate in two slots. */
  IMM: 0x00,
  /** `BPF_ABS`: packet bytes at a fixed offset; class LD. */
  ABS: 0x20,
  /** `BPF_IND`: packet bytes at a register plus offset; class LD. */
  IND: 0x40,
  /** `BPF_MEM`: memory at a register plus offset. */
  MEM: 0x60,
  /** `BPF_MEMSX`: the same, sign-extended; class LDX, Linux 6.6. */
  MEMSX: 0x80,
  /** `BPF_ATOMIC`: the immediate is an {@link AtomicOperator}; class STX. */
  ATOMIC: 0xc0,
} as const;
export type AccessMode = (typeof AccessMode)[keyof typeof AccessMode];

/** Where the second operand of arithmetic and comparisons comes from (bit 3). */
export const OperandSource = {
  /** `BPF_K`: the immediate. */
  K: 0x00,
  /** `BPF_X`: the source register. */
  X: 0x08,
} as const;
export type OperandSource = (typeof OperandSource)[keyof typeof OperandSource];

/** Operators of the ALU classes (high four bits). */
export const AluOperator = {
  /** `BPF_ADD`. */
  ADD: 0x00,
  /** `BPF_SUB`. */
  SUB: 0x10,
  /** `BPF_MUL`. */
  MUL: 0x20,
  /** `BPF_DIV`: unsigned; signed where the offset is 1, Linux 6.6. */
  DIV: 0x30,
  /** `BPF_OR`. */
  OR: 0x40,
  /** `BPF_AND`. */
  AND: 0x50,
  /** `BPF_LSH`: shift left. */
  LSH: 0x60,
  /** `BPF_RSH`: shift right, filling with zeroes. */
  RSH: 0x70,
  /** `BPF_NEG`. */
  NEG: 0x80,
  /** `BPF_MOD`: unsigned; signed where the offset is 1, Linux 6.6. */
  MOD: 0x90,
  /** `BPF_XOR`. */
  XOR: 0xa0,
  /** `BPF_MOV`: sign-extending where the offset is 8, 16 or 32, Linux 6.6. */
  MOV: 0xb0,
  /** `BPF_ARSH`: shift right, filling with the sign; in class ALU since Linux 5.0. */
  ARSH: 0xc0,
  /** `BPF_END`: byte order, source bit 1 to big-endian; in class ALU64 an unconditional swap, Linux 6.6. */
  END: 0xd0,
} as const;
export type AluOperator = (typeof AluOperator)[keyof typeof AluOperator];

/** Offset of a 64-bit register move that casts between arena address spaces (`BPF_ADDR_SPACE_CAST`, Linux 6.9). */
export const ADDR_SPACE_CAST = 1;

/** Operators of the jump classes (high four bits). */
export const JumpOperator = {
  /** `BPF_JA`: always; in class JMP32 by the immediate (`gotol`, Linux 6.6); with source X to a register's address. */
  JA: 0x00,
  /** `BPF_JEQ`. */
  JEQ: 0x10,
  /** `BPF_JGT`: unsigned. */
  JGT: 0x20,
  /** `BPF_JGE`: unsigned. */
  JGE: 0x30,
  /** `BPF_JSET`: when a bit is set in both. */
  JSET: 0x40,
  /** `BPF_JNE`. */
  JNE: 0x50,
  /** `BPF_JSGT`: signed. */
  JSGT: 0x60,
  /** `BPF_JSGE`: signed. */
  JSGE: 0x70,
  /** `BPF_CALL`: class JMP; {@link PseudoSource} tells what is called. */
  CALL: 0x80,
  /** `BPF_EXIT`: class JMP. */
  EXIT: 0x90,
  /** `BPF_JLT`: unsigned, Linux 4.14. */
  JLT: 0xa0,
  /** `BPF_JLE`: unsigned, Linux 4.14. */
  JLE: 0xb0,
  /** `BPF_JSLT`: signed, Linux 4.14. */
  JSLT: 0xc0,
  /** `BPF_JSLE`: signed, Linux 4.14. */
  JSLE: 0xd0,
  /** `BPF_JCOND`: source register 0 is `may_goto`, Linux 6.9. */
  JCOND: 0xe0,
} as const;
export type JumpOperator = (typeof JumpOperator)[keyof typeof JumpOperator];

/** What an atomic instruction does (its immediate); without FETCH and for class W or DW unless said. */
export const AtomicOperator = {
  /** `BPF_ADD`: the old `BPF_XADD`. */
  ADD: 0x00,
  /** `BPF_OR`, Linux 5.12. */
  OR: 0x40,
  /** `BPF_AND`, Linux 5.12. */
  AND: 0x50,
  /** `BPF_XOR`, Linux 5.12. */
  XOR: 0xa0,
  /** `BPF_FETCH`: a bit for the four above; the source register gets the old value, Linux 5.12. */
  FETCH: 0x01,
  /** `BPF_XCHG`, Linux 5.12. */
  XCHG: 0xe1,
  /** `BPF_CMPXCHG`: r0 is compared and gets the old value, Linux 5.12. */
  CMPXCHG: 0xf1,
  /** `BPF_LOAD_ACQ`: dst = load-acquire(src + offset), all sizes, Linux 6.15. */
  LOAD_ACQ: 0x100,
  /** `BPF_STORE_REL`: store-release(dst + offset) = src, all sizes, Linux 6.15. */
  STORE_REL: 0x110,
} as const;
export type AtomicOperator = (typeof AtomicOperator)[keyof typeof AtomicOperator];

/** What the source register's number says about a 64-bit immediate, or about what is called. */
export const PseudoSource = {
  /** `BPF_PSEUDO_MAP_FD`: the immediate is a map's descriptor. */
  MAP_FD: 1,
  /** `BPF_PSEUDO_MAP_VALUE`: a map's descriptor, and above it an offset in its value, Linux 5.2. */
  MAP_VALUE: 2,
  /** `BPF_PSEUDO_BTF_ID`: the BTF id of a kernel variable, and above it the descriptor of its BTF, Linux 5.10. */
  BTF_ID: 3,
  /** `BPF_PSEUDO_FUNC`: slots from the next one to a function of this program, Linux 5.13. */
  FUNC: 4,
  /** `BPF_PSEUDO_MAP_IDX`: an index in `fd_array`, Linux 5.14. */
  MAP_IDX: 5,
  /** `BPF_PSEUDO_MAP_IDX_VALUE`: the same, and above it an offset in its value, Linux 5.14. */
  MAP_IDX_VALUE: 6,
  /** `BPF_PSEUDO_CALL`: a call of a function of this program, Linux 4.16. */
  CALL: 1,
  /** `BPF_PSEUDO_KFUNC_CALL`: a call of a kernel function by BTF id, Linux 5.13. */
  KFUNC_CALL: 2,
} as const;
export type PseudoSource = (typeof PseudoSource)[keyof typeof PseudoSource];

/** The opcode of a two-slot 64-bit immediate load. */
export const LOAD_IMM64 = 0x18;
/** The opcode of a call. */
export const CALL = 0x85;
/** The opcode of the return from a function or program. */
export const EXIT = 0x95;

/** An {@link OpcodeClass}. */
export function opcodeClass(opcode: number): OpcodeClass {
  return (opcode & 0x07) as OpcodeClass;
}

/** The {@link AluOperator} or {@link JumpOperator} of an arithmetic or jump opcode; 0xe0 and 0xf0 may be unassigned. */
export function opcodeOperator(opcode: number): number {
  return opcode & 0xf0;
}

/** The {@link OperandSource} of an arithmetic or jump opcode. */
export function opcodeSource(opcode: number): OperandSource {
  return (opcode & 0x08) as OperandSource;
}

/** The {@link AccessMode} of a load or store opcode; 0xa0 and 0xe0 are unassigned. */
export function opcodeMode(opcode: number): number {
  return opcode & 0xe0;
}

/** The {@link AccessSize} of a load or store opcode. */
export function opcodeSize(opcode: number): AccessSize {
  return (opcode & 0x18) as AccessSize;
}

/** How many bytes a load or store opcode moves: 1, 2, 4 or 8. */
export function accessBytes(opcode: number): number {
  switch (opcodeSize(opcode)) {
    case AccessSize.W:
      return 4;
    case AccessSize.H:
      return 2;
    case AccessSize.B:
      return 1;
    default:
      return 8;
  }
}

/** Whether it is the first slot of a 64-bit immediate load. */
export function isLoadImm64(opcode: number): boolean {
  return opcode === LOAD_IMM64;
}

/** Whether it is a call, of a helper, a kernel function or a function of the program. */
export function isCall(opcode: number): boolean {
  return opcode === CALL;
}

/** Whether it ends a function or program. */
export function isExit(opcode: number): boolean {
  return opcode === EXIT;
}

/** Whether it may go elsewhere than to the next instruction: conditional or not, but no call and no exit. */
export function isJump(opcode: number): boolean {
  const kind = opcodeClass(opcode);
  if (kind !== OpcodeClass.JMP && kind !== OpcodeClass.JMP32) return false;
  const operator = opcodeOperator(opcode);
  return operator !== JumpOperator.CALL && operator !== JumpOperator.EXIT;
}

/** Whether it is one of the two arithmetic classes. */
export function isAlu(opcode: number): boolean {
  const kind = opcodeClass(opcode);
  return kind === OpcodeClass.ALU || kind === OpcodeClass.ALU64;
}

/** Whether it is the unconditional jump whose distance is the immediate (`gotol`). */
export function isLongJump(opcode: number): boolean {
  return opcode === (OpcodeClass.JMP32 | JumpOperator.JA);
}
