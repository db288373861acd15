import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Machine } from "../../elf/index.ts";
import { parseUsdtArguments } from "../../links/usdt-arguments.ts";
import { parseMappings } from "../../links/usdt-mappings.ts";
import { parseUsdtTarget } from "../../links/usdt-target.ts";
import { soon } from "../helper/soon.ts";
import { isTarget } from "./errors.ts";

const test = suite("links/usdt-arguments");
const { X86_64, AARCH64 } = Machine;

/** Such as `-4 register eax`, `8 memory [rbp + rax * 8 - 16]`, `4 constant 5`. */
function summary(text: string, machine: number): string[] {
  return parseUsdtArguments(text, machine).map((one) => {
    const size = `${one.signed ? "-" : ""}${one.size}${one.float ? "f" : ""}`;
    switch (one.kind) {
      case "constant":
        return `${size} constant ${one.value}${one.symbol === undefined ? "" : ` ${one.symbol}`}`;
      case "register":
        return `${size} register ${one.register}`;
      case "memory": {
        const { segment, symbol, base, index, scale, offset } = one;
        const parts = [segment, symbol, base, index && `${index}*${scale}`, offset];
        return `${size} memory ${parts.filter((part) => part !== undefined).join(" ")}`;
      }
      default:
        return `unknown ${one.text}`;
    }
  });
}

test("reads what compilers write for x86-64", () => {
  for (const [text, ...expected] of [
    [""],
    ["   "],
    [
      "-4@-1204(%rbp) -4@%edi -8@%r8 -4@$5 8@%r10 -4@$-9 -2@%cx -1@%sil",
      "-4 memory rbp -1204",
      "-4 register edi",
      "-8 register r8",
      "-4 constant 5",
      "8 register r10",
      "-4 constant -9",
      "-2 register cx",
      "-1 register sil",
    ],
    ["8@(%rsp)", "8 memory rsp 0"],
    ["8@(%rax,%rbx,8)", "8 memory rax rbx*8 0"],
    ["-1@-96(%rbp,%rax)", "-1 memory rbp rax*1 -96"],
    ["1@4(%rbp, %rax, 2)  2@$1", "1 memory rbp rax*2 4", "2 constant 1"],
    ["4@8(,%r15,4)", "4 memory r15*4 8"],
    ["-4@global_number(%rip)", "-4 memory global_number rip 0"],
    ["8@counter+16(%rip) 8@-8+x.y(%rip)", "8 memory counter rip 16", "8 memory x.y rip -8"],
    ["4@table(,%rax,4)", "4 memory table rax*4 0"],
    ["8@$buffer+4", "8 constant 4 buffer"],
    ["8@$0x7fffffffffffffff", "8 constant 9223372036854775807"],
    ["8@$18446744073709551615", "8 constant 18446744073709551615"],
    ["-4@%fs:8(%rax) 8@%gs:(%rbx)", "-4 memory fs rax 8", "8 memory gs rbx 0"],
    ["8@%fs:0", "8 memory fs 0"],
    ["8f@-8(%rbp)", "8f memory rbp -8"],
    ["4@601040", "4 memory 601040"],
    ["16@%rax", "16 register rax"],
  ] as const) {
    assert.equal(summary(text, X86_64), expected, text);
  }
});

test("reads what compilers write for arm64", () => {
  for (const [text, ...expected] of [
    ["-4@w0 8@x30 1@w7", "-4 register w0", "8 register x30", "1 register w7"],
    ["8@[sp, 16] -4@[x29]", "8 memory sp 16", "-4 memory x29 0"],
    ["4@[x19,-8] 4@[x0, #12]", "4 memory x19 -8", "4 memory x0 12"],
    ["8@[x1, x2, lsl 3] 1@[x1,x2]", "8 memory x1 x2*8 0", "1 memory x1 x2*1 0"],
    ["-8@5 4@-9 4@#7", "-8 constant 5", "4 constant -9", "4 constant 7"],
    ["8@xzr 4@wzr 8@sp 8@lr", "8 constant 0", "4 constant 0", "8 register sp", "8 register lr"],
  ] as const) {
    assert.equal(summary(text, AARCH64), expected, text);
  }
});

test("says of the rest that it is not understood", () => {
  for (const text of [
    "%rax",
    "8@",
    "@%rax",
    "8@%",
    "8@%ah",
    "8@%xmm0",
    "8@%st(0)",
    "8@$",
    "8@()",
    "8@(%eax)",
    "8@(%rax,%rbx,3)",
    "8@(%rax,%rsp,8)",
    "8@(%rax",
    "8@$18446744073709551616",
    "8@-9223372036854775809(%rax)",
    "8@foo@GOTPCREL(%rip)",
    "9999@%rax",
    "8@[sp]",
  ]) {
    const found = parseUsdtArguments(text, X86_64);
    assert.ok(found.length > 0 && found.every(({ kind }) => kind === "unknown"), text);
  }
  for (const text of [
    "8@x31",
    "8@[w0]",
    "8@[x0, w1, sxtw 3]",
    "8@v0",
    "8@[x0, #:lo12:g]",
    "8@%rax",
  ]) {
    const found = parseUsdtArguments(text, AARCH64);
    assert.ok(found.length > 0 && found.every(({ kind }) => kind === "unknown"), text);
  }
  assert.equal(summary("4@5 8@%rax", Machine.BPF), ["unknown 4@5", "unknown 8@%rax"]);
});

test("takes any text, and repeats it", () => {
  const piece = fc.oneof(
    fc.constantFrom("8@", "-4@", "%rax", "(", ")", "[", "]", ",", "$", " ", "sp", "x0", ":", "-"),
    fc.string({ maxLength: 4 }),
    fc.integer().map(String),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 40 }),
      fc.constantFrom(X86_64, AARCH64),
      (pieces, machine) => {
        const text = pieces.join("");
        const found = parseUsdtArguments(text, machine);
        const squeeze = (one: string) => one.replace(/\s+/g, "");
        assert.is(squeeze(found.map((one) => one.text).join("")), squeeze(text));
      },
    ),
  );
  soon(200, () => {
    parseUsdtArguments("8@".padEnd(4096, "1"), X86_64);
    parseUsdtArguments("8@a".padEnd(4096, "a+"), X86_64);
  });
});

test("parses targets as sections name them", () => {
  assert.equal(parseUsdtTarget("libc.so.6:libc:setjmp"), {
    path: "libc.so.6",
    provider: "libc",
    name: "setjmp",
  });
  assert.is(parseUsdtTarget("/proc/1/root/a:b:c:d").path, "/proc/1/root/a:b");
  for (const text of ["", "a", "a:b", ":b:c", "a::c", "a:b:"]) {
    assert.throws(() => parseUsdtTarget(text), isTarget("ERR_TARGET"), text);
  }
});

test("finds a file among mappings", () => {
  const maps = [
    "00400000-00401000 r-xp 00000000 fe:00 77                         /a b",
    "00401000-00402000 rw-p 00000000 fe:00 77                         /a b",
    "7f0000001000-7f0000003000 r-xp 00002000 fe:00 78 /lib",
    "7ffd0000-7ffe0000 rwxp 00000000 00:00 0 ",
  ].join("\n");
  assert.equal(parseMappings(maps, 77n), [{ start: 0x40_0000n, end: 0x40_1000n, offset: 0n }]);
  assert.equal(
    parseMappings(maps, 78n).map(({ offset }) => offset),
    [0x2000n],
  );
  assert.equal(parseMappings(maps, 79n), []);
});

test.run();
