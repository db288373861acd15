import { readFileSync } from "node:fs";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfError } from "../../src/error.ts";
import { KallsymsReader, readKallsyms, type SymbolAddresses } from "../../src/sys/kallsyms.ts";
import { kernelTest } from "../helper/kernel.ts";

const test = suite("sys/kallsyms");

const LIST = `0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81234560 t twice
ffffffff81234570 t alias
ffffffff81234570 T alias
ffffffff81999990 t twice
ffffffff82000010 d local_count.llvm.123456
ffffffff82000020 t local_function.llvm.123456
ffffffffc0001000 t helper\t[some_module]
ffffffffc0003000 t bpf_prog_6deef7357e7b4530\t[bpf]
`;

function read(text: string | Uint8Array, names: string[], size = Infinity): SymbolAddresses {
  const reader = new KallsymsReader(names);
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
  return reader.finish();
}

test("finds the wanted names and no others", () => {
  const { addresses, ambiguous, hidden } = read(LIST, ["_text", "helper", "absent", "text"]);
  assert.equal(Object.fromEntries(addresses), {
    _text: 0xffffffff81000000n,
    helper: 0xffffffffc0001000n,
  });
  assert.is(ambiguous.size, 0);
  assert.is(hidden, false);
});

test("a name of two addresses is ambiguous, one of the same address twice is not", () => {
  const { addresses, ambiguous } = read(LIST, ["twice", "alias"]);
  assert.equal([...ambiguous], [["twice", [0xffffffff81234560n, 0xffffffff81999990n]]]);
  assert.is(addresses.get("alias"), 0xffffffff81234570n);
});

test("static variables lose the suffix of link-time optimisation, functions keep it", () => {
  const { addresses } = read(LIST, ["local_count", "local_function", "local_function.llvm.123456"]);
  assert.equal(Object.fromEntries(addresses), {
    local_count: 0xffffffff82000010n,
    "local_function.llvm.123456": 0xffffffff82000020n,
  });
});

test("an address of zero is one, unless all addresses are", () => {
  const seen = read(LIST, ["fixed_percpu_data"]);
  assert.is(seen.addresses.get("fixed_percpu_data"), 0n);
  assert.is(seen.hidden, false);
  const hidden = read(LIST.replace(/^[0-9a-f]{16}/gm, "0".repeat(16)), ["_text", "twice"]);
  assert.is(hidden.hidden, true);
  assert.is(hidden.addresses.get("_text"), 0n);
  assert.is(hidden.ambiguous.size, 0);
});

test("addresses of 32-bit kernels and a last line without its end are read", () => {
  assert.equal(
    [...read("c0008000 T _text\nc0008010 T last", ["last"]).addresses],
    [["last", 0xc0008010n]],
  );
});

test("how the list is cut into pieces makes no difference", () => {
  const names = ["_text", "twice", "helper", "local_count", "fixed_percpu_data"];
  const whole = read(LIST, names);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: LIST.length }), (size) => {
      assert.equal(read(LIST, names, size), whole);
    }),
  );
});

test("lines that are none say nothing, and take no memory", () => {
  const garbage = `${"x".repeat(300_000)} T _text\nzz T _text\nffffffff81000000T _text\nffffffff81000000 T \n \n`;
  for (const size of [7, 4096, Infinity]) {
    assert.is(read(garbage, ["_text", ""], size).addresses.size, 0);
    assert.is(read(garbage + LIST, ["_text"], size).addresses.get("_text"), 0xffffffff81000000n);
  }
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.integer({ min: 1, max: 400 }),
      (bytes, size) => {
        read(bytes, ["a", ""], size);
      },
    ),
  );
});

test("a list that cannot be read is an error with its cause", () => {
  assert.throws(
    () => readKallsyms(["_text"], "/nonexistent/kallsyms"),
    (error: unknown) =>
      error instanceof BpfError &&
      error.code === "ERR_EXTERN" &&
      (error.cause as NodeJS.ErrnoException).code === "ENOENT",
  );
});

kernelTest(test, "says what the running kernel's list says", () => {
  const list = readFileSync("/proc/kallsyms", "latin1");
  const line = /^([0-9a-f]+) \S vfs_open$/m.exec(list);
  assert.ok(line, "every kernel has vfs_open");
  const { addresses, hidden } = readKallsyms(["vfs_open", "no_such_symbol_in_any_kernel"]);
  assert.is(addresses.get("vfs_open"), BigInt(`0x${line[1]}`));
  assert.is(addresses.size, 1);
  assert.is(hidden, false);
});

test.run();
