import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  alu,
  assemble,
  atomic,
  call,
  callFunction,
  callKernelFunction,
  castAddressSpace,
  exit,
  extend,
  jump,
  jumpIf,
  label,
  load,
  loadAcquire,
  loadFunction,
  loadImm64,
  loadMap,
  loadMapValue,
  loadPacket,
  longJump,
  mayGoto,
  negate,
  printAll,
  type Statement,
  store,
  storeRelease,
  swap,
} from "../../src/asm/index.ts";
import { toHex } from "../../src/bytes.ts";

const test = suite("asm/build");

function lines(...statements: Statement[]): string[] {
  const { bytes } = assemble(statements, { littleEndian: false });
  return printAll(bytes, false).map((line) => line.text);
}

test("statements read as the verifier prints them", () => {
  const pairs: [Statement, string][] = [
    [alu("r1", "=", "r2"), "r1 = r2"],
    [alu("w1", "=", 1), "w1 = 1"],
    [alu("w1", "=", 0xffff_ffff), "w1 = -1"],
    [alu("r1", "+=", -8), "r1 += -8"],
    [alu("r10", "-=", "r9"), "r10 -= r9"],
    [alu("r1", "*=", 3), "r1 *= 3"],
    [alu("w3", "/=", "w4"), "w3 /= w4"],
    [alu("r3", "s/=", 7), "r3 s/= 7"],
    [alu("r3", "%=", 7), "r3 %= 7"],
    [alu("w3", "s%=", "w7"), "w3 s%= w7"],
    [alu("r3", "|=", 7), "r3 |= 7"],
    [alu("r3", "&=", 7), "r3 &= 7"],
    [alu("r3", "^=", 7), "r3 ^= 7"],
    [alu("r3", "<<=", 7), "r3 <<= 7"],
    [alu("r3", ">>=", 7), "r3 >>= 7"],
    [alu("w3", "s>>=", 7), "w3 s>>= 7"],
    [extend("r1", "s8", "r2"), "r1 = (s8)r2"],
    [extend("r1", "s32", "r2"), "r1 = (s32)r2"],
    [extend("w1", "s16", "w2"), "w1 = (s16)w2"],
    [negate("r4"), "r4 = -r4"],
    [negate("w4"), "w4 = -w4"],
    [swap("r1", "be16"), "r1 = be16 r1"],
    [swap("r1", "le64"), "r1 = le64 r1"],
    [swap("r1", "bswap32"), "r1 = bswap32 r1"],
    [castAddressSpace("r1", "r2", 1, 0), "r1 = addr_space_cast(r2, 1, 0)"],
    [castAddressSpace("r1", "r2", 0, 1), "r1 = addr_space_cast(r2, 0, 1)"],
    [load("r1", "u64", "r6", 8), "r1 = *(u64 *)(r6 +8)"],
    [load("r1", "u8", "r6"), "r1 = *(u8 *)(r6 +0)"],
    [load("r1", "s16", "r10", -2), "r1 = *(s16 *)(r10 -2)"],
    [store("u32", "r10", -4, "r1"), "*(u32 *)(r10 -4) = r1"],
    [store("u64", "r10", -8, -1), "*(u64 *)(r10 -8) = -1"],
    [store("u32", "r10", -8, 0xdead_beef), "*(u32 *)(r10 -8) = -559038737"],
    [loadPacket("u16", 12), "r0 = *(u16 *)skb[12]"],
    [loadPacket("u8", 2, "r7"), "r0 = *(u8 *)skb[r7 + 2]"],
    [atomic("u64", "r1", 8, "+=", "r2"), "lock *(u64 *)(r1 +8) += r2"],
    [atomic("u32", "r1", 0, "fetch ^=", "r2"), "r2 = atomic_fetch_xor((u32 *)(r1 +0), r2)"],
    [atomic("u64", "r1", 0, "xchg", "r2"), "r2 = atomic64_xchg((u64 *)(r1 +0), r2)"],
    [atomic("u32", "r1", 0, "cmpxchg", "r2"), "r0 = atomic_cmpxchg((u32 *)(r1 +0), r0, r2)"],
    [loadAcquire("r1", "u8", "r2", 4), "r1 = load_acquire((u8 *)(r2 +4))"],
    [storeRelease("u64", "r1", -8, "r2"), "store_release((u64 *)(r1 -8), r2)"],
    [loadImm64("r1", -1), "r1 = 0xffffffffffffffff"],
    [loadImm64("r1", 0x1234_5678_9abc_def0n), "r1 = 0x123456789abcdef0"],
    [call("map_lookup_elem"), "call bpf_map_lookup_elem#1"],
    [call(999), "call unknown#999"],
    [exit(), "exit"],
  ];
  for (const [statement, text] of pairs) assert.equal(lines(statement), [text]);
});

test("labels become distances, counted in slots", () => {
  assert.equal(
    lines(
      label("start"),
      jumpIf("r0", "==", 0, "out"),
      loadImm64("r1", 1),
      jumpIf("w1", "s>", "w2", "start"),
      jumpIf("r1", "&", 1, "start"),
      mayGoto("out"),
      jump("start"),
      longJump("out"),
      label("out"),
      exit(),
    ),
    [
      "if r0 == 0x0 goto pc+7",
      "r1 = 0x1",
      "if w1 s> w2 goto pc-4",
      "if r1 & 0x1 goto pc-5",
      "may_goto pc+2",
      "goto pc-7",
      "gotol pc+0",
      "exit",
    ],
  );
  const comparisons = ["==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&"] as const;
  for (const comparison of comparisons) {
    const text = lines(label("a"), jumpIf("r3", comparison, "r4", "a"));
    assert.equal(text, [`if r3 ${comparison} r4 goto pc-1`]);
  }
});

test("functions of the program are called by label, before and after", () => {
  const { bytes, references, labels } = assemble(
    [
      loadFunction("r2", "callback"),
      callFunction("later"),
      exit(),
      label("later"),
      exit(),
      label("callback"),
      callFunction("later"),
      exit(),
    ],
    { littleEndian: true },
  );
  assert.equal(references, []);
  assert.equal(
    [...labels],
    [
      ["later", 4],
      ["callback", 5],
    ],
  );
  // The callback is 4 slots behind the slot that follows the first of the load: 0 + 1 + 4.
  assert.is(toHex(bytes.subarray(0, 16)), "18420000040000000000000000000000");
  assert.equal(
    printAll(bytes, true).map((line) => line.text),
    ["r2 = 0x4", "call pc+1", "exit", "exit", "call pc-2", "exit"],
  );
});

test("names of maps, kernel functions and functions elsewhere are handed back", () => {
  const { instructions, references } = assemble([
    loadMap("r1", "events"),
    loadMapValue("r2", ".rodata", 16),
    callFunction("elsewhere"),
    loadFunction("r3", "elsewhere"),
    callKernelFunction("bpf_rcu_read_lock"),
    // Only functions are looked for among the labels.
    label("events"),
    exit(),
  ]);
  assert.equal(references, [
    { slot: 0, kind: "map", name: "events" },
    { slot: 2, kind: "map value", name: ".rodata" },
    { slot: 4, kind: "function", name: "elsewhere" },
    { slot: 5, kind: "callback", name: "elsewhere" },
    { slot: 7, kind: "kernel function", name: "bpf_rcu_read_lock" },
  ]);
  assert.equal(
    instructions.map(({ src, imm64 }) => [src, imm64]),
    [
      [1, 0n],
      [2, 16n << 32n],
      [1, undefined],
      [4, 0n],
      [2, undefined],
      [0, undefined],
    ],
  );
});

test("labels that are missing or doubled are TypeErrors that name them", () => {
  assert.throws(() => assemble([jump("nowhere")]), /"nowhere", which is no label/);
  assert.throws(() => assemble([label("twice"), label("twice")]), /"twice" is defined twice/);
});

test("a jump that 16 bits cannot hold is refused, a long one is not", () => {
  const filler = Array.from({ length: 0x8000 }, () => alu("r0", "=", 0));
  assert.throws(
    () => assemble([jump("far"), ...filler, label("far")]),
    (error: unknown) => error instanceof RangeError && error.message.includes("longJump"),
  );
  const { instructions } = assemble([longJump("far"), ...filler, label("far")]);
  assert.is(instructions[0]?.imm, 0x8000);
  const near = assemble([jump("far"), ...filler.slice(1), label("far")]);
  assert.is(near.instructions[0]?.offset, 0x7fff);
});

test("operands that cannot be encoded, or not as written, are refused", () => {
  const range: (() => Statement)[] = [
    () => alu("r1", "=", 0x8000_0000),
    () => alu("w1", "=", 0x1_0000_0000),
    () => alu("r1", "=", 1.5),
    () => store("u64", "r1", 0, 0xffff_ffff),
    () => jumpIf("r1", "==", 0xffff_ffff, "a"),
    () => load("r1", "u8", "r2", 0x8000),
    () => loadImm64("r1", 1n << 64n),
    () => loadMapValue("r1", "a", -1),
    () => castAddressSpace("r1", "r2", 0x1_0000, 0),
  ];
  for (const make of range) assert.throws(make, (error: unknown) => error instanceof RangeError);
  const types: (() => Statement)[] = [
    () => alu("r11" as never, "=", 0),
    () => alu("r1", "=", "w1" as never),
    () => alu("r1", "~=" as never, 0),
    () => alu("r1", "toString" as never, 0),
    () => load("w1" as never, "u8", "r2"),
    () => load("r1", "s64" as never, "r2"),
    () => atomic("u8" as never, "r1", 0, "+=", "r2"),
    () => extend("w1", "s32", "w2"),
    () => swap("r1", "be8" as never),
    () => call("no_such_helper" as never),
  ];
  for (const make of types) assert.throws(make, (error: unknown) => error instanceof TypeError);
});

test("both byte orders are written, this machine's by default", () => {
  const program = [alu("r1", "=", 5), exit()];
  const little = toHex(assemble(program, { littleEndian: true }).bytes);
  const big = toHex(assemble(program, { littleEndian: false }).bytes);
  assert.is(little, "b7010000050000009500000000000000");
  assert.is(big, "b7100000000000059500000000000000");
  const host = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
  assert.is(toHex(assemble(program).bytes), host ? little : big);
});

test.run();
