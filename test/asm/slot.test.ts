import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  dstAt,
  imm64At,
  immAt,
  offsetAt,
  opcodeAt,
  SLOT,
  setDestination,
  setImm,
  setImm64,
  setOffset,
  setOpcode,
  setRegisters,
  setSource,
  srcAt,
} from "../../src/asm/index.ts";
import { toHex, viewOf } from "../../src/bytes.ts";

const test = suite("asm/slot");

// r1 = *(u16 *)(r6 -2) with an immediate that the kernel would ignore.
const little = Uint8Array.of(0x69, 0x61, 0xfe, 0xff, 0x78, 0x56, 0x34, 0x92);
const big = Uint8Array.of(0x69, 0x16, 0xff, 0xfe, 0x92, 0x34, 0x56, 0x78);

test("fields are read in both byte orders, registers swapped", () => {
  for (const [bytes, order] of [
    [little, true],
    [big, false],
  ] as const) {
    const program = new Uint8Array(3 * SLOT);
    program.set(bytes, 2 * SLOT);
    const view = viewOf(program);
    assert.is(opcodeAt(view, 2), 0x69);
    assert.is(dstAt(view, 2, order), 1);
    assert.is(srcAt(view, 2, order), 6);
    assert.is(offsetAt(view, 2, order), -2);
    assert.is(immAt(view, 2, order), 0x92345678 | 0);
    assert.is(opcodeAt(view, 1), 0);
  }
});

test("setting every field of an empty slot gives the same bytes", () => {
  for (const [bytes, order] of [
    [little, true],
    [big, false],
  ] as const) {
    const program = new Uint8Array(2 * SLOT);
    const view = viewOf(program);
    setOpcode(view, 1, 0x69);
    setDestination(view, 1, order, 1);
    setSource(view, 1, order, 6);
    setOffset(view, 1, order, -2);
    setImm(view, 1, order, 0x92345678);
    assert.is(toHex(program), "00".repeat(SLOT) + toHex(bytes));
  }
});

test("setting one field leaves the others", () => {
  const setters: ((view: DataView) => void)[] = [
    (view) => setOpcode(view, 0, 0),
    (view) => setDestination(view, 0, true, 0),
    (view) => setSource(view, 0, true, 0),
    (view) => setOffset(view, 0, true, 0),
    (view) => setImm(view, 0, true, 0),
  ];
  const results = ["00fffffffffffff", "fff0fff", "ff0ffff", "ffff0000ff", "ffffffff00000000"];
  for (const [index, set] of setters.entries()) {
    const bytes = new Uint8Array(SLOT).fill(0xff);
    set(viewOf(bytes));
    assert.ok(toHex(bytes).startsWith(results[index]!), toHex(bytes));
  }
});

test("64-bit immediates are split over two slots", () => {
  const bytes = new Uint8Array(2 * SLOT);
  const view = viewOf(bytes);
  setImm64(view, 0, true, 0x1122334455667788n);
  assert.is(toHex(bytes), "00000000887766550000000044332211");
  assert.is(imm64At(view, 0, true), 0x1122334455667788n);
  setImm64(view, 0, false, 0x1122334455667788n);
  assert.is(toHex(bytes), "00000000556677880000000011223344");
  assert.is(imm64At(view, 0, false), 0x1122334455667788n);
  setImm64(view, 0, true, -2n);
  assert.is(imm64At(view, 0, true), 0xffff_ffff_ffff_fffen);
});

test("values that do not fit are RangeErrors and change nothing", () => {
  const bytes = new Uint8Array(2 * SLOT);
  const view = viewOf(bytes);
  const refused: (() => void)[] = [
    () => setOpcode(view, 0, 256),
    () => setOpcode(view, 0, -1),
    () => setSource(view, 0, true, 16),
    () => setDestination(view, 0, true, -1),
    () => setRegisters(view, 0, true, 1.5, 0),
    () => setOffset(view, 0, true, 0x8000),
    () => setOffset(view, 0, true, -0x8001),
    () => setImm(view, 0, true, 0x1_0000_0000),
    () => setImm(view, 0, true, -0x8000_0001),
    () => setImm(view, 0, true, Number.NaN),
    () => setImm64(view, 0, true, 1n << 64n),
    () => setImm64(view, 0, true, -(1n << 63n) - 1n),
    () => setImm(view, 2, true, 0),
  ];
  for (const set of refused) assert.throws(set, (error: unknown) => error instanceof RangeError);
  assert.is(toHex(bytes), "00".repeat(2 * SLOT));
  assert.throws(
    () => opcodeAt(view, 2),
    (error: unknown) => error instanceof RangeError,
  );
});

test("what is set is read, for any values", () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.nat(15),
      fc.nat(15),
      fc.integer({ min: -0x8000, max: 0x7fff }),
      fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
      (order, dst, src, offset, imm) => {
        const view = new DataView(new ArrayBuffer(SLOT));
        setRegisters(view, 0, order, dst, src);
        setOffset(view, 0, order, offset);
        setImm(view, 0, order, imm);
        assert.is(dstAt(view, 0, order), dst);
        assert.is(srcAt(view, 0, order), src);
        assert.is(offsetAt(view, 0, order), offset);
        assert.is(immAt(view, 0, order), imm);
      },
    ),
    { seed: 43 },
  );
});

test.run();
