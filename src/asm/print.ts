/**
 * Instructions as text, in the notation of the kernel's verifier and of bpftool.
 *
 * The kernel's form (kernel/bpf/disasm.c of Linux 7.2) holds wherever it has one. What it cannot name, it prints as
 * `BUG_` and the opcode; so does this, for every unassigned operator. Nothing here is checked: programs that the kernel
 * would refuse can be printed as well.
 *
 * @module
 */

import { helperName } from "./helper.ts";
import { decodeAll, type Instruction, slotsOf } from "./instruction.ts";
import {
  AccessMode,
  ADDR_SPACE_CAST,
  AluOperator,
  AtomicOperator,
  accessBytes,
  isCall,
  isExit,
  JumpOperator,
  OpcodeClass,
  OperandSource,
  opcodeClass,
  opcodeMode,
  opcodeOperator,
  opcodeSource,
  PseudoSource,
} from "./opcode.ts";

/** How to name what instructions refer to; each may return undefined to leave the kernel's own form. */
export interface PrintNames {
  /** What a 64-bit immediate stands for, such as `map[id:7]`; asked for every such load. */
  immediate?: (instruction: Instruction, slot: number) => string | undefined;
  /** What a call of a function of this program or of the kernel calls, such as `pc+5` or `bpf_iter_num_new#77`. */
  call?: (instruction: Instruction, slot: number) => string | undefined;
}

/** One line of a listing: the slot it begins at, the instruction, and its text. */
export interface PrintedLine {
  readonly slot: number;
  readonly instruction: Instruction;
  readonly text: string;
}

/** One instruction as the verifier prints it, without its slot and opcode; `slot` is only passed to `names`. */
export function print(instruction: Instruction, names: PrintNames = {}, slot = 0): string {
  switch (opcodeClass(instruction.opcode)) {
    case OpcodeClass.ALU:
    case OpcodeClass.ALU64:
      return printAlu(instruction);
    case OpcodeClass.LD:
      return printLoadImmediate(instruction, names, slot);
    case OpcodeClass.LDX:
      return printLoad(instruction);
    case OpcodeClass.ST:
      return printStoreImmediate(instruction);
    case OpcodeClass.STX:
      return printStore(instruction);
    default:
      return printJump(instruction, names, slot);
  }
}

/** A program, line by line; throws as {@link decodeAll} does when it cannot be decoded. */
export function printAll(
  program: Uint8Array | readonly Instruction[],
  little: boolean,
  names: PrintNames = {},
): PrintedLine[] {
  const instructions = program instanceof Uint8Array ? decodeAll(program, little) : program;
  const lines: PrintedLine[] = [];
  let slot = 0;
  for (const instruction of instructions) {
    lines.push({ slot, instruction, text: print(instruction, names, slot) });
    slot += slotsOf(instruction);
  }
  return lines;
}

/** A line as in the verifier's log and in `bpftool prog dump xlated`: slot, opcode, instruction. */
export function formatLine(line: PrintedLine): string {
  return `${line.slot}: (${hexByte(line.instruction.opcode)}) ${line.text}`;
}

const aluText: Readonly<Record<number, string>> = {
  [AluOperator.ADD]: "+=",
  [AluOperator.SUB]: "-=",
  [AluOperator.MUL]: "*=",
  [AluOperator.DIV]: "/=",
  [AluOperator.OR]: "|=",
  [AluOperator.AND]: "&=",
  [AluOperator.LSH]: "<<=",
  [AluOperator.RSH]: ">>=",
  [AluOperator.MOD]: "%=",
  [AluOperator.XOR]: "^=",
  [AluOperator.MOV]: "=",
  [AluOperator.ARSH]: "s>>=",
};

const jumpText: Readonly<Record<number, string>> = {
  [JumpOperator.JEQ]: "==",
  [JumpOperator.JGT]: ">",
  [JumpOperator.JGE]: ">=",
  [JumpOperator.JSET]: "&",
  [JumpOperator.JNE]: "!=",
  [JumpOperator.JSGT]: "s>",
  [JumpOperator.JSGE]: "s>=",
  [JumpOperator.JLT]: "<",
  [JumpOperator.JLE]: "<=",
  [JumpOperator.JSLT]: "s<",
  [JumpOperator.JSLE]: "s<=",
};

const fetchText: Readonly<Record<number, string>> = {
  [AtomicOperator.ADD]: "add",
  [AtomicOperator.OR]: "or",
  [AtomicOperator.AND]: "and",
  [AtomicOperator.XOR]: "xor",
};

function printAlu(instruction: Instruction): string {
  const { opcode, dst, src, offset, imm } = instruction;
  const wide = opcodeClass(opcode) === OpcodeClass.ALU64;
  const operator = opcodeOperator(opcode);
  const byRegister = opcodeSource(opcode) === OperandSource.X;
  const letter = wide ? "r" : "w";
  if (operator === AluOperator.END) {
    const order = wide ? "bswap" : byRegister ? "be" : "le";
    return `r${dst} = ${order}${imm} r${dst}`;
  }
  if (operator === AluOperator.NEG) return `${letter}${dst} = -${letter}${dst}`;
  const text = aluText[operator];
  if (text === undefined) return unknown("", opcode);
  const isMove = operator === AluOperator.MOV;
  if (isMove && byRegister && wide) {
    if (offset === ADDR_SPACE_CAST) {
      return `r${dst} = addr_space_cast(r${src}, ${imm >>> 16}, ${imm & 0xffff})`;
    }
    // Not in programs as loaded: the kernel's own, seen in dumps of what it made of them.
    if (offset === -1) return `r${dst} = &(void __percpu *)(r${src})`;
  }
  const isSigned =
    (operator === AluOperator.DIV || operator === AluOperator.MOD) && offset === 1 ? "s" : "";
  if (!byRegister) return `${letter}${dst} ${isSigned}${text} ${imm}`;
  const extended = isMove && (offset === 8 || offset === 16 || offset === 32);
  return `${letter}${dst} ${isSigned}${text} ${extended ? `(s${offset})` : ""}${letter}${src}`;
}

function printLoadImmediate(instruction: Instruction, names: PrintNames, slot: number): string {
  const { opcode, dst, src, imm } = instruction;
  const size = `u${accessBytes(opcode) * 8}`;
  switch (opcodeMode(opcode)) {
    case AccessMode.ABS:
      return `r0 = *(${size} *)skb[${imm}]`;
    case AccessMode.IND:
      return `r0 = *(${size} *)skb[r${src} + ${imm}]`;
    case AccessMode.IMM: {
      if (size !== "u64") return unknown("ld_", opcode);
      const value = BigInt.asUintN(64, instruction.imm64 ?? BigInt(imm >>> 0));
      return `r${dst} = ${names.immediate?.(instruction, slot) ?? `0x${value.toString(16)}`}`;
    }
    default:
      return unknown("ld_", opcode);
  }
}

function printLoad(instruction: Instruction): string {
  const { opcode, dst, src, offset } = instruction;
  const bits = accessBytes(opcode) * 8;
  const mode = opcodeMode(opcode);
  if (mode === AccessMode.MEM) return `r${dst} = ${memory(`u${bits}`, src, offset)}`;
  if (mode === AccessMode.MEMSX && bits !== 64)
    return `r${dst} = ${memory(`s${bits}`, src, offset)}`;
  return unknown("ldx_", opcode);
}

function printStoreImmediate(instruction: Instruction): string {
  const { opcode, dst, offset, imm } = instruction;
  const mode = opcodeMode(opcode);
  if (mode === AccessMode.MEM) {
    return `${memory(`u${accessBytes(opcode) * 8}`, dst, offset)} = ${imm}`;
  }
  // The kernel's own speculation barrier, seen in dumps of what it made of a program.
  if (mode === AccessMode.ATOMIC) return "nospec";
  return unknown("st_", opcode);
}

function printStore(instruction: Instruction): string {
  const { opcode, dst, src, offset, imm } = instruction;
  const size = `u${accessBytes(opcode) * 8}`;
  const mode = opcodeMode(opcode);
  if (mode === AccessMode.MEM) return `${memory(size, dst, offset)} = r${src}`;
  if (mode !== AccessMode.ATOMIC) return unknown("", opcode);

  const width = size === "u64" ? "64" : "";
  const at = `(${size} *)(r${dst} ${signed(offset)})`;
  switch (imm) {
    case AtomicOperator.ADD:
    case AtomicOperator.OR:
    case AtomicOperator.AND:
    case AtomicOperator.XOR:
      return `lock *${at} ${aluText[imm]} r${src}`;
    case AtomicOperator.ADD | AtomicOperator.FETCH:
    case AtomicOperator.OR | AtomicOperator.FETCH:
    case AtomicOperator.AND | AtomicOperator.FETCH:
    case AtomicOperator.XOR | AtomicOperator.FETCH:
      return `r${src} = atomic${width}_fetch_${fetchText[imm & 0xf0]}(${at}, r${src})`;
    case AtomicOperator.XCHG:
      return `r${src} = atomic${width}_xchg(${at}, r${src})`;
    case AtomicOperator.CMPXCHG:
      return `r0 = atomic${width}_cmpxchg(${at}, r0, r${src})`;
    case AtomicOperator.LOAD_ACQ:
      return `r${dst} = load_acquire((${size} *)(r${src} ${signed(offset)}))`;
    case AtomicOperator.STORE_REL:
      return `store_release(${at}, r${src})`;
    default:
      return unknown("", opcode);
  }
}

function printJump(instruction: Instruction, names: PrintNames, slot: number): string {
  const { opcode, dst, src, offset, imm } = instruction;
  const narrow = opcodeClass(opcode) === OpcodeClass.JMP32;
  const operator = opcodeOperator(opcode);
  const byRegister = opcodeSource(opcode) === OperandSource.X;
  if (operator === JumpOperator.JA) {
    if (byRegister) return narrow ? unknown("", opcode) : `gotox r${dst}`;
    return narrow ? `gotol pc${signed(imm)}` : `goto pc${signed(offset)}`;
  }
  // Not with a register: clang writes such calls through pointers, and no kernel takes them.
  if (isCall(opcode)) return printCall(instruction, names, slot);
  if (isExit(opcode)) return "exit";
  if (!narrow && operator === JumpOperator.JCOND) {
    return src === 0 && !byRegister ? `may_goto pc${signed(offset)}` : unknown("", opcode);
  }
  const text = jumpText[operator];
  if (text === undefined) return unknown("", opcode);
  const letter = narrow ? "w" : "r";
  const other = byRegister ? `${letter}${src}` : `0x${(imm >>> 0).toString(16)}`;
  return `if ${letter}${dst} ${text} ${other} goto pc${signed(offset)}`;
}

function printCall(instruction: Instruction, names: PrintNames, slot: number): string {
  const { src, imm } = instruction;
  const helper = src === 0 ? helperName(imm) : undefined;
  if (helper !== undefined) return `call bpf_${helper}#${imm}`;
  const named = names.call?.(instruction, slot);
  if (named !== undefined) return `call ${named}`;
  if (src === PseudoSource.CALL) return `call pc${signed(imm)}`;
  if (src === PseudoSource.KFUNC_CALL) return `call kernel-function#${imm}`;
  return `call unknown#${imm}`;
}

function memory(size: string, register: number, offset: number): string {
  return `*(${size} *)(r${register} ${signed(offset)})`;
}

function signed(value: number): string {
  return value < 0 ? `${value}` : `+${value}`;
}

function unknown(kind: string, opcode: number): string {
  return `BUG_${kind}${hexByte(opcode)}`;
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, "0");
}
