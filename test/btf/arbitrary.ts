/**
 * Random types for property tests: well-formed one by one, but free to refer to each other in
 * circles.
 *
 * @module
 */

import fc from "fast-check";
import { Kind, type NewType } from "../../btf/index.ts";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const name = fc.oneof(
  fc.constantFrom(
    "",
    "",
    "a",
    "int",
    "task_struct",
    "task_struct___x",
    "a___b___c",
    "ä",
    "a___ä",
    "__u32",
  ),
  fc.stringMatching(/^[a-z_]{1,12}$/),
);

/** Objects as a program writes them. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

/** A list of types whose references stay below `length + 1`. */
export function typeList(maximum = 12): fc.Arbitrary<NewType[]> {
  return fc
    .integer({ min: 1, max: maximum })
    .chain((count) => fc.array(typeAmong(count + 1), { minLength: count, maxLength: count }));
}

function typeAmong(typeCount: number): fc.Arbitrary<NewType> {
  const id = fc.integer({ min: 0, max: typeCount - 1 });
  const reference = fc.constantFrom(
    Kind.PTR,
    Kind.TYPEDEF,
    Kind.VOLATILE,
    Kind.CONST,
    Kind.RESTRICT,
  );
  const few = { maxLength: 4 };
  const members = fc.boolean().chain((bitfields) =>
    fc.array(
      record({
        name,
        type: id,
        bitOffset: bitfields ? fc.integer({ min: 0, max: 0xffffff }) : u32,
        bitSize: bitfields ? fc.integer({ min: 0, max: 255 }) : fc.constant(0),
      }),
      few,
    ),
  );
  return fc.oneof(
    record({
      kind: fc.constant(Kind.INT),
      name,
      size: u32,
      signed: fc.boolean(),
      char: fc.boolean(),
      bool: fc.boolean(),
      bitOffset: fc.integer({ min: 0, max: 255 }),
      bits: fc.integer({ min: 0, max: 255 }),
    }),
    reference.chain((kind) =>
      record({ kind: fc.constant(kind), name, type: id }),
    ) as fc.Arbitrary<NewType>,
    record({ kind: fc.constant(Kind.TYPE_TAG), name, type: id, attribute: fc.boolean() }),
    record({ kind: fc.constant(Kind.ARRAY), name, element: id, index: id, length: u32 }),
    record({ kind: fc.constantFrom(Kind.STRUCT, Kind.UNION), name, size: u32, members }),
    enumeration(Kind.ENUM, name, u32, (signed) =>
      signed ? fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }) : u32,
    ) as fc.Arbitrary<NewType>,
    enumeration(Kind.ENUM64, name, u32, (signed) =>
      signed
        ? fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })
        : fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    ) as fc.Arbitrary<NewType>,
    record({ kind: fc.constant(Kind.FWD), name, union: fc.boolean() }),
    record({
      kind: fc.constant(Kind.FUNC),
      name,
      type: id,
      linkage: fc.integer({ min: 0, max: 2 }),
    }),
    record({
      kind: fc.constant(Kind.FUNC_PROTO),
      name,
      returns: id,
      parameters: fc.array(record({ name, type: id }), few),
    }),
    record({ kind: fc.constant(Kind.VAR), name, type: id, linkage: u32 }),
    record({
      kind: fc.constant(Kind.DATASEC),
      name,
      size: u32,
      variables: fc.array(record({ type: id, offset: u32, size: u32 }), few),
    }),
    record({ kind: fc.constant(Kind.FLOAT), name, size: u32 }),
    record({
      kind: fc.constant(Kind.DECL_TAG),
      name,
      type: id,
      component: fc.integer({ min: -1, max: 0x7fff_ffff }),
      attribute: fc.boolean(),
    }),
  );
}

function enumeration<K, V>(
  kind: K,
  text: fc.Arbitrary<string>,
  size: fc.Arbitrary<number>,
  values: (signed: boolean) => fc.Arbitrary<V>,
): fc.Arbitrary<unknown> {
  return fc.boolean().chain((signed) =>
    record({
      kind: fc.constant(kind),
      name: text,
      size,
      signed: fc.constant(signed),
      values: fc.array(record({ name: text, value: values(signed) }), { maxLength: 4 }),
    }),
  );
}
