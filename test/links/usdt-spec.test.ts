import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Machine } from "../../elf/index.ts";
import { parseUsdtArguments } from "../../links/usdt-arguments.ts";
import { type SpecLayout, specLayout } from "../../links/usdt-layout.ts";
import { encodeSpec, type UsdtPlace } from "../../links/usdt-spec.ts";
import { viewOf } from "../../src/bytes.ts";
import { UnsupportedError } from "../../src/error.ts";
import { parseObject } from "../../src/spec/index.ts";
import { readFixture } from "../helper/fixtures.ts";
import { hasCode } from "./errors.ts";

const test = suite("links/usdt-spec");

const x64: UsdtPlace = {
  text: "p:n in /x",
  machine: Machine.X86_64,
  address: 0x1000,
  fixed: false,
  symbolAddress: (name) => (name === "known" ? 0x1800n : undefined),
};

function layoutOf(object: string): SpecLayout {
  const { btf, maps } = parseObject(readFixture(object));
  return specLayout(btf, maps["__bpf_usdt_specs"]?.valueSize ?? 0);
}

const older = layoutOf("usdt.el.o");
const newer = layoutOf("usdt-indexed.el.o");

/** Members of an argument of `struct __bpf_usdt_spec` until libbpf 1.6. */
function olderArgument(text: string, place: UsdtPlace = x64): (bigint | number)[] {
  const view = viewOf(encodeSpec(older, parseUsdtArguments(text, place.machine), 0n, place));
  const [value, type, register] = [0, 8, 12];
  return [
    view.getBigInt64(value, true),
    view.getUint32(type, true),
    view.getInt16(register, true),
    view.getUint8(14),
    view.getUint8(15),
  ];
}

test("writes specs as older programs read them", () => {
  assert.equal([older.size, older.count, older.stride], [208, 12, 128]);
  assert.equal(specLayout(undefined, 208), older);
  assert.equal(olderArgument("-4@$-9"), [-9n, 0, 0, 1, 32]);
  assert.equal(olderArgument("8@%r15"), [0n, 1, 0, 0, 0]);
  assert.equal(olderArgument("1@%sil"), [0n, 1, 104, 0, 56]);
  assert.equal(olderArgument("-2@-16(%rbp)"), [-16n, 2, 32, 1, 48]);
  assert.equal(olderArgument("8@(,%rbx)"), [0n, 2, 40, 0, 0]);
  assert.equal(olderArgument("4@known+4(%rip)"), [0x804n, 2, 128, 0, 32]);
  const fixed = { ...x64, fixed: true };
  assert.equal(olderArgument("8@$known", fixed), [0x1800n, 0, 0, 0, 0]);
  assert.equal(olderArgument("8@known+8(%rax)", fixed), [0x1808n, 2, 80, 0, 0]);
  assert.equal(olderArgument("8@4096", fixed), [0n, 2, 128, 0, 0]);
  const arm64 = { ...x64, machine: Machine.AARCH64 };
  assert.equal(olderArgument("-4@w30", arm64), [0n, 1, 240, 1, 32]);
  assert.equal(olderArgument("8@[sp, 16]", arm64), [16n, 2, 248, 0, 0]);
});

test("writes the cookie and the number of arguments", () => {
  const args = parseUsdtArguments("8@%rax 4@$1", Machine.X86_64);
  const view = viewOf(encodeSpec(older, args, 0xffff_ffff_ffff_fffen, x64));
  assert.equal([view.getBigUint64(192, true), view.getInt16(200, true)], [2n ** 64n - 2n, 2]);
});

test("writes indexed memory as newer programs read it", () => {
  // As clang lays out usdt.bpf.h of libbpf 1.7: the bits of an index do not share a unit with those before.
  assert.equal([newer.size, newer.count, newer.stride], [304, 12, 192]);
  const args = parseUsdtArguments("4@%rbx -1@-96(%rbp,%rax,8)", Machine.X86_64);
  const view = viewOf(encodeSpec(newer, args, 0n, x64));
  assert.equal([view.getUint8(8), view.getInt16(14, true), view.getUint8(17)], [1, 40, 32]);
  assert.is(view.getBigInt64(24, true), -96n);
  assert.equal([view.getUint8(32), view.getUint16(34, true)], [3, (3 << 12) | 80]);
  assert.equal([view.getInt16(38, true), view.getUint8(40), view.getUint8(41)], [32, 1, 56]);
});

test("names the argument that no program can read", () => {
  for (const [text, reason] of [
    ["8@(%rax,%rbx,8)", /libbpf 1\.7/],
    ["8@8(,%rbx,8)", /needs a base/],
    ["8@%fs:8", /thread's own memory \(%fs\)/],
    ["-4@%gs:counter@tpoff", /thread's own memory \(%gs\)/],
    ["8@unknown(%rip)", /where unknown is/],
    ["8@8(%rip)", /from where it counts/],
    ["8@4096", /from where it counts/],
    ["8@$known", /known is elsewhere in each process/],
    ["16@%rax", /size is unusual/],
    ["8f@%xmm0", /it is in %xmm0, and programs get no registers of floats/],
    ["8@%ymm15", /%ymm15/],
    ["8f@%st(1)", /%st\(1\)/],
    ["8@%cr3", /no register, memory or constant/],
  ] as const) {
    assert.throws(
      () => olderArgument(text),
      (error: unknown) =>
        error instanceof UnsupportedError &&
        error.message.includes(`argument ${text} of p:n in /x`) &&
        reason.test(error.message),
      text,
    );
  }
  const arm64 = { ...x64, machine: Machine.AARCH64 };
  assert.throws(() => olderArgument("8f@d7", arm64), /argument 8f@d7 of p:n .*: it is in d7, /);
  const many = parseUsdtArguments("8@$1 ".repeat(13), Machine.X86_64);
  assert.throws(() => encodeSpec(older, many, 0n, x64), /13 arguments/);
});

test("refuses maps of another shape", () => {
  assert.throws(() => specLayout(undefined, 200), hasCode("ERR_USDT"));
  const { btf } = parseObject(readFixture("usdt.el.o"));
  assert.throws(() => specLayout(btf, 304), hasCode("ERR_USDT"));
});

test.run();
