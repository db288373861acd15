import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { reachableSlots } from "../../src/report/reachable.ts";
import { instruction, loadImm64 } from "../co-re/object-builder.ts";
import { soon } from "../helper/soon.ts";
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

function reached(
  parts: readonly Uint8Array[],
  functions = [{ slot: 0, separate: true }],
  unknown: readonly number[] = [],
): string {
  const program = { instructions: join(parts), little: true, functions, unknown: new Set(unknown) };
  const slots = reachableSlots(program);
  return slots === undefined ? "not understood" : [...slots].join("");
}

const jumpIfZero = (register: number): Uint8Array => instruction(0x15, register, 1, 0);
const zero = (register: number): Uint8Array => moveImm(register, 0);
/** Whether `if (r6 == 0) return; return;` behind `parts` is seen to end at the first or second. */
const isDecided = (...parts: Uint8Array[]): boolean =>
  !reached([...parts, jumpIfZero(6), exit, exit]).endsWith("111");

test("a comparison of constants has one outcome", () => {
  const jump = jumpIfZero(1);
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

test("what leaves the program, or its function, is not understood", () => {
  assert.is(reached([instruction(0x05, 0, 100, 0), exit]), "not understood");
  assert.is(reached([instruction(0xb7, 0, 0, 0)]), "not understood");
  const two = [
    { slot: 0, separate: true },
    { slot: 1, separate: false },
  ];
  assert.is(reached([instruction(0x05, 0, 0, 0), exit], two), "not understood");
  assert.is(reached([zero(0), exit], two), "not understood");
  assert.is(reached([exit], []), "not understood");
  assert.is(reached([exit, exit], [{ slot: 1, separate: true }]), "not understood");
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

test("where paths join, only what both say is known; loops forget what they change", () => {
  const unknownJump = instruction(0x15, 1, 1, 7);
  assert.ok(isDecided(zero(6), unknownJump, zero(6)));
  assert.not.ok(isDecided(zero(6), unknownJump, moveImm(6, 1)));
  // r6 = 0; do { if (r6 == 5) dead; r6 += 1 } while (r1 != 0)
  const counting = [
    zero(6),
    instruction(0x55, 6, 1, 5),
    exit,
    instruction(0x07, 6, 0, 1),
    instruction(0x55, 1, -4, 0),
    exit,
  ];
  assert.is(reached(counting), "111111");
  const constant = counting.map((part, at) => (at === 3 ? zero(7) : part));
  assert.is(reached(constant), "110111");
});

test("the stack remembers what the verifiers of all kernels remember", () => {
  const [spill, fill] = [store(0x18, 10, 7, -8), load(0x18, 6, 10, -8)];
  assert.ok(isDecided(zero(7), spill, fill));
  assert.ok(isDecided(moveImm(7, 3), spill, fill));
  assert.ok(isDecided(zero(7), store(0x00, 10, 7, -8), load(0x00, 6, 10, -8)));
  // Only eight bytes of a number that is not zero, nothing of an immediate, nothing in part.
  assert.not.ok(isDecided(moveImm(7, 3), store(0x00, 10, 7, -8), load(0x00, 6, 10, -8)));
  assert.not.ok(isDecided(storeImm(0x18, 10, -8, 0), fill));
  assert.not.ok(isDecided(zero(7), spill, load(0x00, 6, 10, -8)));
  assert.not.ok(isDecided(zero(7), spill, store(0x10, 10, 1, -3), fill));
  assert.not.ok(isDecided(zero(7), store(0x18, 10, 7, -4), load(0x18, 6, 10, -4)));
  // A pointer to it got away into a register of unknown offset, memory, or a call.
  const pointer = pointerTo(1, -8);
  assert.not.ok(isDecided(zero(7), spill, ...pointer, callHelper, fill));
  assert.not.ok(isDecided(zero(7), spill, ...pointerTo(1, -16), callHelper, fill));
  assert.ok(isDecided(zero(7), spill, callHelper, fill));
  const kernelFunction = instruction(0x85, 0x20, 0, 1);
  const [below] = [pointerTo(1, 0)];
  assert.not.ok(isDecided(zero(7), spill, ...below, kernelFunction, fill));
  const strayAdd = instruction(0x0f, 0x21, 0, 0);
  assert.not.ok(isDecided(zero(7), spill, ...pointer, strayAdd, store(0x18, 1, 3, 0), fill));
  assert.not.ok(
    isDecided(zero(7), spill, ...pointer, store(0x18, 2, 1, 0), store(0x18, 3, 4, 0), fill),
  );
});

test("arithmetic that some verifiers do not follow has no result", () => {
  const all: readonly [string, boolean, Uint8Array[]][] = [
    ["xor of a register with itself", false, [instruction(0xaf, 0x66, 0, 0)]],
    ["difference of a register and itself", false, [instruction(0x1f, 0x66, 0, 0)]],
    ["negation", false, [moveImm(6, 1), instruction(0x87, 6, 0, 0)]],
    ["division", false, [zero(6), instruction(0x37, 6, 0, 3)]],
    ["remainder", false, [zero(6), instruction(0x97, 6, 0, 3)]],
    ["byte swap", false, [zero(6), instruction(0xdc, 6, 0, 16)]],
    ["shift by the width", false, [zero(6), moveImm(7, 64), instruction(0x6f, 0x76, 0, 0)]],
    [
      "shift of 32 bits by the width",
      false,
      [zero(6), moveImm(7, 32), instruction(0x6c, 0x76, 0, 0)],
    ],
    ["shift by less", true, [zero(6), moveImm(7, 63), instruction(0x6f, 0x76, 0, 0)]],
    ["and with zero", true, [instruction(0x57, 6, 0, 0)]],
    ["sign extension", true, [moveImm(7, 255), instruction(0xbf, 0x76, 8, 0)]],
    ["sum", true, [moveImm(6, -1), instruction(0x07, 6, 0, 1)]],
    ["product", true, [moveImm(6, 3), instruction(0x24, 6, 0, 5)]],
  ];
  for (const [name, known, parts] of all) assert.is(isDecided(...parts), known, name);
});

test("numbers that loading fills in are not known", () => {
  const address = loadImm64(0n);
  const parts = [address, jumpIfZero(1), exit, exit];
  const one = [{ slot: 0, separate: true }];
  assert.is(reached(parts, one), "11101");
  assert.is(reached(parts, one, [0]), "11111");
});

test("a function returns what all its ways out return, tail calls and packet loads included", () => {
  const two = [
    { slot: 0, separate: true },
    { slot: 5, separate: false },
  ];
  const main = [instruction(0x85, 0x10, 0, 4), jumpIfZero(0), exit, zero(0), exit];
  const tailCall = instruction(0x85, 0, 0, 12);
  const packetLoad = instruction(0x20, 0, 0, 0);
  assert.is(reached([...main, zero(0), exit], two), "1101111");
  assert.is(reached([...main, moveImm(0, 1), exit], two), "1110011");
  assert.is(reached([...main, tailCall, zero(0), exit], two).slice(0, 5), "11111");
  assert.is(reached([...main, packetLoad, zero(0), exit], two).slice(0, 5), "11111");
  // One that never returns: nothing behind the call is reached.
  assert.is(reached([...main, instruction(0x05, 0, -1, 0)], two), "100001");
  const separate = two.map((one) => ({ ...one, separate: true }));
  assert.is(reached([...main, zero(0), exit], separate), "1111111");
});

test("a callback may be called with anything, and write to the stack that it is given", () => {
  const two = [
    { slot: 0, separate: true },
    { slot: 10, separate: false },
  ];
  // r2 = the function seven slots behind this load.
  const callback = loadImm64(7n);
  callback[1] = 0x42;
  const main = [
    zero(7),
    store(0x18, 10, 7, -8),
    callback,
    instruction(0xbf, 0xa3, 0, 0),
    callHelper,
    load(0x18, 6, 10, -8),
    jumpIfZero(6),
    exit,
    exit,
  ];
  // if (r1 == 0) return 0; return 1;
  const body = [zero(0), jumpIfZero(1), exit, exit];
  assert.is(reached([...main, ...body], two), "1".repeat(14));
  const notGiven = main.map((part, at) => (at === 3 ? zero(3) : part));
  assert.is(reached([...notGiven, ...body], two), "11111111011111");
});

test("programs that take too long to look through count as not understood, in little time", () => {
  const parts = [zero(7)];
  for (let at = 1; at <= 512; at++) parts.push(store(0x10, 10, 7, -at));
  const count = 60_000;
  for (let at = 0; at < count; at++) {
    const back = -Math.min(at, 30_000);
    const to = at % 3 === 0 ? back : Math.min(30_000, count - at - 1);
    parts.push(at % 2 === 0 ? store(0x10, 10, 1, -1 - (at % 512)) : instruction(0x15, 2, to, 5));
  }
  const bytes = new Uint8Array((parts.length + 1) * 8);
  for (const [slot, part] of parts.entries()) bytes.set(part, slot * 8);
  bytes.set(exit, parts.length * 8);
  const functions = [{ slot: 0, separate: true }];
  const look = () => reachableSlots({ instructions: bytes, little: true, functions });
  assert.is(soon(5000, look), undefined);
});

test.run();
