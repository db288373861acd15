import { createHash } from "node:crypto";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sha1, sha256 } from "../../src/asm/digest.ts";
import { toHex } from "../../src/bytes.ts";

const test = suite("asm/digest");

const algorithms = { sha1, sha256 };

function expected(name: string, bytes: Uint8Array): string {
  return createHash(name).update(bytes).digest("hex");
}

test("the digests are those of Node, for every length around the ends of blocks", () => {
  for (const [name, digest] of Object.entries(algorithms)) {
    for (let length = 0; length <= 200; length++) {
      const bytes = Uint8Array.from({ length }, (_, index) => index * 37 + length);
      assert.is(toHex(digest(bytes)), expected(name, bytes), `${name} of ${length} bytes`);
    }
  }
});

test("and for any bytes, wherever they begin in their buffer", () => {
  const input = fc.tuple(fc.uint8Array({ maxLength: 5000 }), fc.nat({ max: 7 }));
  fc.assert(
    fc.property(input, ([bytes, start]) => {
      const part = bytes.subarray(Math.min(start, bytes.length));
      for (const [name, digest] of Object.entries(algorithms)) {
        assert.is(toHex(digest(part)), expected(name, part));
      }
    }),
  );
});

test("what is digested is not changed", () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, index) => index);
  const before = toHex(bytes);
  sha1(bytes);
  sha256(bytes);
  assert.is(toHex(bytes), before);
});

test.run();
