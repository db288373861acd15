import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import {
  attributeNumber,
  attributeText,
  concatenate,
  type NetlinkAttribute,
  readAttributes,
  writeAttributes,
} from "../../src/sys/netlink-message.ts";

const test = suite("links/netlink-message");

test("numbers, text, bytes and nested attributes are read as they were written", () => {
  const nested: NetlinkAttribute[] = [
    [1, -1],
    [2, "inner"],
  ];
  const bytes = writeAttributes([
    [3, 7],
    [4, "eth0"],
    [5, Uint8Array.of(9)],
    [6, nested],
  ]);
  assert.is(bytes.length % 4, 0);
  const read = readAttributes(bytes);
  assert.is(attributeNumber(read.get(3)), 7);
  assert.is(attributeText(read.get(4)), "eth0");
  assert.is(attributeNumber(read.get(5)), 9);
  const inner = readAttributes(read.get(6)!);
  assert.is(attributeNumber(inner.get(1)), 0xffff_ffff);
  assert.is(attributeText(inner.get(2)), "inner");
  assert.is(attributeNumber(undefined), undefined);
  assert.is(attributeText(undefined), "");
  // `struct nlattr`: length without padding, then the type, with NLA_F_NESTED for the nested one.
  const view = viewOf(bytes);
  assert.is(view.getUint16(0, hostLittleEndian), 8);
  assert.is(view.getUint16(bytes.length - sizeOf(nested) - 2, hostLittleEndian), 0x8006);
});

function sizeOf(nested: readonly NetlinkAttribute[]): number {
  return writeAttributes(nested).length;
}

test("any bytes are read, to an end", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      let total = 0;
      for (const value of readAttributes(bytes).values()) total += value.length;
      assert.ok(total <= bytes.length);
    }),
  );
});

test("a length of zero, one beyond the end, and what is cut end the reading", () => {
  const good = writeAttributes([[1, 5]]);
  for (const bad of [
    [0, 0, 0, 0],
    [255, 255, 2, 0],
    [3, 0, 2, 0],
    [4, 0],
  ]) {
    const read = readAttributes(concatenate([good, Uint8Array.from(bad)]));
    assert.equal([...read.keys()], [1]);
  }
});

test.run();
