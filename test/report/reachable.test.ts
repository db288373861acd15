import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { reachableSlots } from "../../src/report/reachable.ts";
import { instruction, loadImm64 } from "../co-re/object-builder.ts";
import { executedSlots } from "./machine.ts";

const test = suite("report reachable");
const exit = instruction(0x95, 0, 0, 0);

/**
 * Few registers, places and numbers, so that programs meet their own values again; jumps go forward
 * only.
 */
const register = fc.constantFrom(0, 1, 6, 7);
const small = fc.integer({ min: 0, max: 2 });
const forward = fc.integer({ min: 0, max: 5 });
const place = fc.constantFrom(-8, -16);
const registers = fc.tuple(register, register).map(([dst, src]) => (src << 4) | dst);
const bits = fc.constantFrom(0x00, 0x18, 0x18);
const wide = fc.boolean();

const moveImm = (dst: number, imm: number): Uint8Array => instruction(0xb7, dst, 0, imm);
const storeImm = (bits: number, base: number, at: number, imm: number): Uint8Array =>
  instruction(0x62 | bits, base, at, imm);
const store = (bits: number, base: number, src: number, at: number): Uint8Array =>
  instruction(0x63 | bits, (src << 4) | base, at, 0);
const load = (bits: number, dst: number, base: number, at: number): Uint8Array =>
  instruction(0x61 | bits, (base << 4) | dst, at, 0);
const callHelper = instruction(0x85, 0, 0, 1);
/** The distance is filled in later. */
const callFunction = instruction(0x85, 0x10, 0, -1);
const pointerTo = (dst: number, at: number): Uint8Array[] => [
  instruction(0xbf, 0xa0 | dst, 0, 0),
  instruction(0x07, dst, 0, at),
];

const oneInstruction: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.tuple(register, small).map(([dst, imm]) => moveImm(dst, imm)),
  fc.tuple(register, small).map(([dst, imm]) => {
    const bytes = loadImm64(BigInt(imm) << 32n);
    bytes[1] = dst;
    return bytes;
  }),
  fc
    .tuple(
      fc.constantFrom(0x00, 0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xc0),
      wide,
      register,
      small,
    )
    .map(([op, is64, dst, imm]) => instruction(op | (is64 ? 7 : 4), dst, 0, imm)),
  fc
    .tuple(fc.constantFrom(0x00, 0x10, 0x40, 0x50, 0xa0, 0xb0), wide, registers)
    .map(([op, is64, both]) => instruction(op | 8 | (is64 ? 7 : 4), both, 0, 0)),
  fc
    .tuple(fc.constantFrom(0x10, 0x20, 0x40, 0x50, 0x60, 0xb0), wide, register, forward, small)
    .map(([op, is64, dst, to, imm]) => instruction(op | (is64 ? 5 : 6), dst, to, imm)),
  fc
    .tuple(fc.constantFrom(0x10, 0x50, 0x20), wide, registers, forward)
    .map(([op, is64, both, to]) => instruction(op | 8 | (is64 ? 5 : 6), both, to, 0)),
  forward.map((to) => instruction(0x05, 0, to, 0)),
  fc.tuple(bits, register, place).map(([size, src, at]) => store(size, 10, src, at)),
  fc.tuple(bits, place, small).map(([size, at, imm]) => storeImm(size, 10, at, imm)),
  fc.tuple(bits, register, place).map(([size, dst, at]) => load(size, dst, 10, at)),
  fc.tuple(bits, registers).map(([size, both]) => store(size, both & 0xf, both >> 4, 0)),
  fc.tuple(bits, register, small).map(([size, base, imm]) => storeImm(size, base, 0, imm)),
  fc.tuple(bits, registers).map(([size, both]) => load(size, both & 0xf, both >> 4, 0)),
  fc.constantFrom(callHelper, callFunction),
);

/**
 * What programs do on purpose: keep a number on the stack, ask for it later, hand out pointers to
 * it.
 */
const snippet: fc.Arbitrary<Uint8Array[]> = fc.oneof(
  { weight: 3, arbitrary: oneInstruction.map((one) => [one]) },
  {
    weight: 1,
    arbitrary: fc.tuple(place, small).map(([at, imm]) => [storeImm(0x18, 10, at, imm)]),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(bits, place, small, forward)
      .map(([size, at, imm, to]) => [load(size, 6, 10, at), instruction(0x15, 6, to, imm)]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(register, place, fc.constantFrom(callHelper, callFunction, undefined))
      .map(([dst, at, call]) => [...pointerTo(dst, at), ...(call === undefined ? [] : [call])]),
  },
);
const anyProgram: fc.Arbitrary<Uint8Array[]> = fc
  .array(snippet, { maxLength: 14 })
  .map((parts) => parts.flat());

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** Two functions; calls of the second are put right, and jumps kept inside their function. */
function program(
  first: readonly Uint8Array[],
  second: readonly Uint8Array[],
): { bytes: Uint8Array; entry: number } {
  const main = [...first, exit];
  const entry = main.reduce((slots, part) => slots + part.length / 8, 0);
  const bytes = join([...main, ...second, exit]);
  const view = new DataView(bytes.buffer);
  const slots = bytes.length / 8;
  const starts = new Set<number>();
  for (let slot = 0; slot < slots; slot += bytes[slot * 8] === 0x18 ? 2 : 1) starts.add(slot);
  for (const slot of starts) {
    const opcode = bytes[slot * 8] ?? 0;
    const end = slot < entry ? entry : slots;
    if (opcode === 0x85 && bytes[slot * 8 + 1] === 0x10) {
      // The second function calls nobody, so that nothing recurses.
      if (slot >= entry) bytes[slot * 8 + 1] = 0;
      view.setInt32(slot * 8 + 4, slot >= entry ? 1 : entry - slot - 1, true);
    } else if (((opcode & 7) === 5 || (opcode & 7) === 6) && opcode !== 0x85 && opcode !== 0x95) {
      let to = Math.min(slot + 1 + view.getInt16(slot * 8 + 2, true), end - 1);
      while (!starts.has(to)) to--;
      view.setInt16(slot * 8 + 2, to - slot - 1, true);
    }
  }
  return { bytes, entry };
}

test("whatever is executed was found reachable", () => {
  const numbers = fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(
      anyProgram,
      anyProgram,
      numbers,
      fc.boolean(),
      (first, second, random, separate) => {
        const { bytes, entry } = program(first, second);
        const functions = [
          { slot: 0, separate: true },
          { slot: entry, separate },
        ];
        const reached = reachableSlots({ instructions: bytes, little: true, functions });
        assert.ok(reached);
        let at = 0;
        const executed = executedSlots(bytes, () => (random[at++ % random.length] ?? 0) + at);
        for (const slot of executed) assert.is(reached[slot], 1, `slot ${slot}`);
      },
    ),
    { numRuns: 6000 },
  );
});

test("random bytes are looked through without a throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, little) => {
      const functions = [
        { slot: 0, separate: true },
        { slot: 3, separate: false },
      ];
      const reached = reachableSlots({ instructions: bytes, little, functions });
      assert.ok(reached === undefined || reached.length === bytes.length >> 3);
    }),
  );
});

function reached(parts: readonly Uint8Array[], functions = [{ slot: 0, separate: true }]): string {
  const slots = reachableSlots({ instructions: join(parts), little: true, functions });
  return slots === undefined ? "not understood" : [...slots].join("");
}

test("a comparison of constants has one outcome", () => {
  const jump = instruction(0x15, 1, 1, 0);
  assert.is(reached([instruction(0xb7, 1, 0, 0), jump, exit, exit]), "1101");
  assert.is(reached([instruction(0xb7, 1, 0, 1), jump, exit, exit]), "1110");
  assert.is(reached([jump, exit, exit]), "111");
});

test("32-bit comparisons look at half of a register", () => {
  const high = loadImm64(0x1_0000_0000n);
  assert.is(reached([high, instruction(0x16, 1, 1, 0), exit, exit]), "11101");
});

test("a jump to an address in a register makes everything reachable", () => {
  assert.is(reached([instruction(0x0d, 1, 0, 0), exit]), "not understood");
});

test("a jump out of the program is not understood", () => {
  assert.is(reached([instruction(0x05, 0, 100, 0), exit]), "not understood");
  assert.is(reached([instruction(0xb7, 0, 0, 0)]), "not understood");
});

test("a function that is verified by itself is reachable without a call", () => {
  const parts = [exit, exit];
  const functions = (separate: boolean): { slot: number; separate: boolean }[] => [
    { slot: 0, separate: true },
    { slot: 1, separate },
  ];
  assert.is(reached(parts, functions(true)), "11");
  assert.is(reached(parts, functions(false)), "10");
});

test.run();
