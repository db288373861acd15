import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openFile, readInto } from "../../src/sys/file.ts";
import { cText, Struct } from "../../src/sys/struct.ts";
import { isA } from "../helper/errors.ts";
import { kernelTest } from "../helper/kernel.ts";

const test = suite("sys/struct");
const LAYOUT = { a: [0, 4], b: [4, 2], name: [8, 16], c: [24, 8] } as const;

kernelTest(test, "fields hold what was written, signed or not", () => {
  const struct = new Struct(LAYOUT).set("a", -1).set("c", -2n).set("b", 7);
  assert.is(struct.size, 32);
  assert.is(struct.get("a"), 0xffff_ffff);
  assert.is(struct.get64("c"), 0xffff_ffff_ffff_fffen);
  assert.is(struct.set("c", 0x1_0000_0001).get64("c"), 0x1_0000_0001n);
  assert.is(struct.set("a", undefined).get("a"), 0xffff_ffff);
});

kernelTest(test, "what a field cannot hold is refused by name", () => {
  const struct = new Struct(LAYOUT);
  for (const value of [2 ** 32, -(2 ** 31) - 1, 1.5, Number.NaN]) {
    assert.throws(() => struct.set("a", value), /^a is .* 32 bits$/);
  }
  assert.throws(() => struct.set("b", 65_536), /16 bits/);
  assert.throws(() => struct.set("c", 1n << 64n), /64 bits/);
});

kernelTest(test, "text in an array is cut before its last byte", () => {
  const struct = new Struct(LAYOUT).text("name", "abcdefghijklmnopqrstuvwxyz").set("c", 0);
  assert.is(struct.get("a"), 0);
  assert.is(struct.get64("name" as "c") & 0xffn, 0x61n);
  // The 16th byte is NUL.
  const { address } = struct;
  assert.ok(Number.isSafeInteger(address) && address > 0);
});

kernelTest(test, "the null pointer stands for nothing to point to", () => {
  const struct = new Struct(LAYOUT).point("c", new Uint8Array(0)).point("c", undefined);
  assert.is(struct.get64("c"), 0n);
  assert.is.not(struct.point("c", new Uint8Array(1)).get64("c"), 0n);
});

test("C text ends with its only NUL", () => {
  assert.equal([...cText("aé")], [0x61, 0xc3, 0xa9, 0]);
  assert.throws(() => cText("a\0b"), isA(RangeError));
});

kernelTest(test, "files are read to their end", () => {
  const fd = openFile("/proc/self/comm");
  const bytes = new Uint8Array(64);
  const count = readInto(fd, bytes);
  assert.ok(count > 0);
  assert.is(bytes[count - 1], 0x0a);
  assert.is(readInto(fd, bytes), 0);
  fd.close();
  assert.throws(() => openFile("/nonexistent"), /open \/nonexistent: ENOENT/);
});

test.run();
