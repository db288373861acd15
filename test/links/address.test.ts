import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { addressText, parseAddress, parsePrefix } from "../../links/address.ts";

const test = suite("links/address");
const hex = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString("hex");

test("addresses of both kinds", () => {
  for (const [text, expected] of [
    ["10.1.0.255", "0a0100ff"],
    ["::", "00".repeat(16)],
    ["::1", `${"00".repeat(15)}01`],
    ["fd00::", `fd00${"00".repeat(14)}`],
    ["fd00:1::2:3", "fd000001000000000000000000020003"],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["::ffff:10.1.0.2", "00000000000000000000ffff0a010002"],
    ["fe80::1%eth0", undefined],
    ["10.1.0", undefined],
    ["1::2::3", undefined],
    ["", undefined],
  ] as const) {
    assert.is(hex(parseAddress(text)), expected, text);
  }
});

test("any address of 8 groups is read as it is written", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 }), (groups) => {
      const expected = groups.map((group) => group.toString(16).padStart(4, "0")).join("");
      assert.is(hex(parseAddress(groups.map((group) => group.toString(16)).join(":"))), expected);
    }),
  );
});

test("addresses are written as they are read", () => {
  for (const text of ["10.1.0.255", "::", "::1", "fd09::", "fd00:0:0:1::2", "1:0:2:0:3:0:4:0"]) {
    assert.is(addressText(parseAddress(text)!), text);
  }
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      assert.equal(parseAddress(addressText(bytes)), bytes);
    }),
  );
});

test("prefixes, and what is none", () => {
  assert.equal(parsePrefix("10.1.0.0/16", "x"), { bytes: Uint8Array.of(10, 1, 0, 0), bits: 16 });
  assert.is(parsePrefix("10.1.0.1", "x").bits, 32);
  assert.is(parsePrefix("::/0", "x").bits, 0);
  assert.is(parsePrefix("fd00::1", "x").bits, 128);
  for (const text of ["10.1.0.0/33", "10.1/16", "fd00::/129", "/8", "10.1.0.0/", "name", "1/2/3"]) {
    assert.throws(() => parsePrefix(text, "x"), /is no prefix such as/, text);
  }
  assert.throws(() => parsePrefix("10.1.0.1/16", "x"), /bits that the prefix of 16 does not cover/);
  assert.throws(() => parsePrefix("fd00::8000/112", "x"), /does not cover/);
});

test.run();
