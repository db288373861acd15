import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  AccessMode,
  AccessSize,
  AluOperator,
  accessBytes,
  isAlu,
  isCall,
  isExit,
  isJump,
  isLoadImm64,
  isLongJump,
  JumpOperator,
  OpcodeClass,
  OperandSource,
  opcodeClass,
  opcodeMode,
  opcodeOperator,
  opcodeSize,
  opcodeSource,
} from "../../src/asm/index.ts";

const test = suite("asm/opcode");

test("the bits of loads and stores come apart and together", () => {
  const opcode = OpcodeClass.LDX | AccessMode.MEMSX | AccessSize.H;
  assert.is(opcode, 0x89);
  assert.is(opcodeClass(opcode), OpcodeClass.LDX);
  assert.is(opcodeMode(opcode), AccessMode.MEMSX);
  assert.is(opcodeSize(opcode), AccessSize.H);
  assert.equal([0x61, 0x69, 0x71, 0x79].map(accessBytes), [4, 2, 1, 8]);
});

test("the bits of arithmetic and jumps come apart and together", () => {
  const opcode = OpcodeClass.ALU64 | AluOperator.ARSH | OperandSource.X;
  assert.is(opcode, 0xcf);
  assert.is(opcodeClass(opcode), OpcodeClass.ALU64);
  assert.is(opcodeOperator(opcode), AluOperator.ARSH);
  assert.is(opcodeSource(opcode), OperandSource.X);
  assert.is(opcodeSource(OpcodeClass.JMP | JumpOperator.JEQ), OperandSource.K);
});

test("kinds of instructions are told by opcode", () => {
  const all = Array.from({ length: 256 }, (_, opcode) => opcode);
  assert.equal(all.filter(isLoadImm64), [0x18]);
  assert.equal(all.filter(isCall), [0x85]);
  assert.equal(all.filter(isExit), [0x95]);
  assert.equal(all.filter(isLongJump), [0x06]);
  assert.equal(all.filter(isAlu).length, 64);
  for (const opcode of [0x05, 0x06, 0x15, 0x1e, 0xe5, 0xdd]) assert.ok(isJump(opcode));
  for (const opcode of [0x85, 0x95, 0x07, 0x18, 0x61]) assert.not(isJump(opcode));
});

test.run();
