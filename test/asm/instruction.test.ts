import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  decode,
  decodeAll,
  encode,
  encodeAll,
  type Instruction,
  LOAD_IMM64,
  print,
  SLOT,
  slotsOf,
} from "../../src/asm/index.ts";
import { toHex } from "../../src/bytes.ts";
import { BpfError } from "../../src/error.ts";

const test = suite("asm/instruction");

function isMalformed(pattern: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof BpfError &&
    error.code === "ERR_INSTRUCTION" &&
    error.message.includes(pattern);
}

const fields = fc.record({
  dst: fc.nat(15),
  src: fc.nat(15),
  offset: fc.integer({ min: -0x8000, max: 0x7fff }),
  imm: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
  imm64: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
});

function instructionOf(
  opcode: number,
  values: typeof fields extends fc.Arbitrary<infer T> ? T : never,
) {
  const { imm64, ...rest } = values;
  return opcode === LOAD_IMM64
    ? { opcode, ...rest, imm: Number(BigInt.asIntN(32, imm64)), imm64 }
    : { opcode, ...rest };
}

for (const little of [true, false]) {
  const order = little ? "little" : "big";

  test(`every opcode comes back as it was encoded, ${order}-endian`, () => {
    for (let opcode = 0; opcode < 256; opcode++) {
      fc.assert(
        fc.property(fields, (values) => {
          const instruction = instructionOf(opcode, values);
          const bytes = new Uint8Array(4 * SLOT);
          const slots = encode(instruction, bytes, 1, little);
          assert.is(slots, opcode === LOAD_IMM64 ? 2 : 1);
          assert.equal(decode(bytes, 1, little), instruction);
          assert.is(toHex(bytes.subarray(0, SLOT)), "00".repeat(SLOT));
          assert.is(toHex(bytes.subarray((1 + slots) * SLOT)), "00".repeat((3 - slots) * SLOT));
        }),
        { numRuns: 8, seed: opcode },
      );
    }
  });

  test(`programs come back as they were encoded, ${order}-endian`, () => {
    const instruction = fc
      .tuple(fc.nat(255), fields)
      .map(([opcode, values]) => instructionOf(opcode, values));
    fc.assert(
      fc.property(fc.array(instruction, { maxLength: 20 }), (program) => {
        const bytes = encodeAll(program, little);
        assert.is(
          bytes.length,
          program.reduce((sum, one) => sum + slotsOf(one) * SLOT, 0),
        );
        assert.equal(decodeAll(bytes, little), program);
      }),
      { seed: 44 },
    );
  });
}

test("the bytes are those of struct bpf_insn", () => {
  const instruction = { opcode: 0x7b, dst: 10, src: 1, offset: -16, imm: 0 };
  assert.is(toHex(encodeAll([instruction], true)), "7b1af0ff00000000");
  assert.is(toHex(encodeAll([instruction], false)), "7ba1fff000000000");
  const load = { opcode: 0x18, dst: 2, src: 1, offset: 0, imm: 5, imm64: (7n << 32n) | 5n };
  assert.is(toHex(encodeAll([load], true)), "18120000050000000000000007000000");
  assert.is(toHex(encodeAll([load], false)), "18210000000000050000000000000007");
});

test("a 64-bit load without its 64 bits has the low ones, unsigned", () => {
  const load = { opcode: 0x18, dst: 2, src: 0, offset: 0, imm: -1 };
  assert.is(decodeAll(encodeAll([load], true), true)[0]?.imm64, 0xffff_ffffn);
});

test("encoding over old bytes leaves none of them", () => {
  const bytes = new Uint8Array(2 * SLOT).fill(0xff);
  const load = { opcode: 0x18, dst: 0, src: 0, offset: 0, imm: 0, imm64: 0n };
  encode(load, bytes, 0, true);
  assert.is(toHex(bytes), `18${"00".repeat(15)}`);
});

test("a 64-bit load at the end, or followed by something else, is refused", () => {
  const exit = Uint8Array.of(0x95, 0, 0, 0, 0, 0, 0, 0);
  const load = Uint8Array.of(0x18, 1, 0, 0, 5, 0, 0, 0);
  const program = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
  assert.throws(() => decodeAll(program(exit, load), true), isMalformed("slot 1: a 64-bit"));
  assert.throws(() => decode(program(exit, load), 1, true), isMalformed("lacks its second slot"));
  assert.throws(() => decodeAll(program(load, exit), true), isMalformed("slot 0: the second slot"));
  const registers = Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0);
  assert.throws(() => decodeAll(program(load, registers), true), isMalformed("second slot"));
});

test("slots that are not there are refused", () => {
  const bytes = new Uint8Array(2 * SLOT);
  assert.throws(() => decode(bytes, 2, true), isMalformed("the program has 2 slots"));
  assert.throws(() => decode(bytes, -1, true), isMalformed("slot -1"));
  assert.throws(() => decode(bytes, 0.5, true), isMalformed("slot 0.5"));
  assert.throws(() => decodeAll(new Uint8Array(9), true), isMalformed("9 bytes"));
  const exit: Instruction = { opcode: 0x95, dst: 0, src: 0, offset: 0, imm: 0 };
  for (const slot of [2, -1]) {
    assert.throws(
      () => encode(exit, bytes, slot, true),
      (error: unknown) => error instanceof RangeError,
    );
  }
  assert.throws(
    () => encode({ ...exit, opcode: 0x18 }, bytes, 1, true),
    (error: unknown) => error instanceof RangeError,
  );
});

test("random bytes decode, and print, or are refused by our error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 160 }), fc.boolean(), (bytes, little) => {
      let instructions: Instruction[];
      try {
        instructions = decodeAll(bytes, little);
      } catch (error) {
        assert.instance(error, BpfError);
        return;
      }
      for (const instruction of instructions) assert.match(print(instruction), /^[!-~][ -~]*$/);
      assert.is(toHex(encodeAll(instructions, little)), toHex(bytes));
    }),
    { numRuns: 3000, seed: 45 },
  );
});

test.run();
