import { inspect, isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Btf } from "../../btf/btf.ts";
import { toHex } from "../../src/bytes.ts";
import { Memory, type Model, ModelMaker } from "./codec-model.ts";
import { bothCodecs, encoded, Types, thrown } from "./codec-types.ts";

const test = suite("btf/codec-property");

/** A random type: the numbers that decide it, and it with its BTF. */
const models = fc.array(fc.nat(1000), { minLength: 20, maxLength: 60 }).map((numbers) => {
  const types = new Types();
  const model = new ModelMaker(types, numbers).record(3, "root");
  let btf: Btf | undefined;
  return {
    model,
    get btf() {
      btf ??= types.btf();
      return btf;
    },
    [fc.toStringMethod]: () => `numbers ${numbers}`,
  };
});

const modelsWithValues = models.chain((one) =>
  one.model.values.map((value) => ({
    one,
    model: one.model,
    value,
    [fc.toStringMethod]: () => `${one[fc.toStringMethod]()}, value ${inspect(value, { depth: 9 })}`,
  })),
);

/** Whether all that is in `expected` is in `found`: of a union only the given view is expected. */
function contains(found: unknown, expected: unknown): boolean {
  if (typeof expected !== "object" || expected === null) return Object.is(found, expected);
  if (expected instanceof Uint8Array) return isDeepStrictEqual(found, expected);
  return Object.keys(expected).every(
    (key) =>
      Object.hasOwn(found as object, key) &&
      contains((found as Record<string, unknown>)[key], (expected as Record<string, unknown>)[key]),
  );
}

function expectedBytes(model: Model, value: unknown, little: boolean): Uint8Array {
  const memory = new Memory(model.size, little);
  model.put(memory, 0, value);
  return memory.bytes;
}

test("encodes the bytes that a plain model computes, and decodes them to the value", () => {
  let largest = 0;
  fc.assert(
    fc.property(modelsWithValues, fc.boolean(), ({ one, model, value }, littleEndian) => {
      const bytes = expectedBytes(model, value, littleEndian);
      largest = Math.max(largest, bytes.length);
      for (const codec of bothCodecs(one.btf, model.id, { littleEndian })) {
        assert.is(codec.size, model.size);
        assert.is(toHex(encoded(codec, value)), toHex(bytes), codec.backend);
        const decoded = codec.decode(bytes);
        assert.ok(contains(decoded, value), codec.backend);
      }
    }),
    { numRuns: 1500 },
  );
  assert.ok(largest > 100, "the types are too small to say anything");
});

test("both back-ends decode any bytes alike, at any offset", () => {
  fc.assert(
    fc.property(
      models,
      fc.uint8Array({ minLength: 300, maxLength: 300 }),
      fc.nat(40),
      fc.constantFrom("bigint", "number"),
      fc.boolean(),
      ({ model, btf }, bytes, offset, int64, wholeText) => {
        const [generated, interpreted] = bothCodecs(btf, model.id, { int64, wholeText });
        const results = [generated!, interpreted!].map((codec) => {
          let value: unknown;
          const message = thrown(() => {
            value = codec.decode(bytes, offset);
          });
          return { message, value, keys: keysOf(value) };
        });
        assert.ok(isDeepStrictEqual(results[0], results[1]));
      },
    ),
    { numRuns: 1500 },
  );
});

test("both back-ends accept and refuse the same values with the same words", () => {
  const junk = fc.oneof(
    fc.constantFrom("a\0b", "a\0", "\udcff", "\ud800"),
    fc.constantFrom(undefined, null, true, "", "text", Number.NaN, -0, 0.5, 2 ** 53, -1, 256),
    fc.constantFrom(1n << 64n, -1n, [], [1], {}, { m1: 1 }, new Uint8Array(4), new Uint32Array(2)),
    fc.integer(),
    fc.bigInt(),
  );
  let refused = 0;
  fc.assert(
    fc.property(modelsWithValues, fc.nat(), junk, ({ one, model, value }, place, instead) => {
      const spoiled = replaced(value, place, instead);
      const wholeText = place % 2 === 1;
      const results = bothCodecs(one.btf, model.id, { wholeText }).map((codec) => {
        const bytes = new Uint8Array(model.size).fill(0xa5);
        const message = thrown(() => codec.encode(spoiled, bytes));
        if (message !== undefined) {
          refused++;
          assert.match(message, /^(TypeError|RangeError): value/);
          assert.ok(
            bytes.every((byte) => byte === 0xa5),
            `${message}: something was written`,
          );
        }
        return { message, bytes: toHex(bytes) };
      });
      assert.equal(results[0], results[1]);
    }),
    { numRuns: 2500 },
  );
  assert.ok(refused > 500);
});

/** Names of properties in their order, of all objects within. */
function keysOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return undefined;
  return Object.entries(value).map(([key, inner]) => [key, keysOf(inner)]);
}

/** The value with one of its parts, found by `place`, replaced. */
function replaced(value: unknown, place: number, instead: unknown): unknown {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return instead;
  const entries = Object.entries(value);
  if (entries.length === 0 || place % 5 === 0) return instead;
  const chosen = place % entries.length;
  const changed = entries.map(([key, inner], index) => {
    const next = Math.floor(place / entries.length);
    return [key, index === chosen ? replaced(inner, next, instead) : inner] as const;
  });
  return Array.isArray(value) ? changed.map(([, inner]) => inner) : Object.fromEntries(changed);
}

test.run();
