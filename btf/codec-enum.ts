/**
 * Names of enumeration values; codecs give numbers.
 *
 * @module
 */

import type { Btf } from "./btf.ts";
import { Kind } from "./kind.ts";
import { resolve } from "./size.ts";

const known: WeakMap<Btf, Map<number, ReadonlyMap<bigint, string>>> = new WeakMap();

/**
 * The name of a value of an enumeration, the first declared where several are equal; undefined if
 * none has it.
 *
 * The type may be a typedef or qualified. Throws TypeError when it is no enumeration, BtfError when
 * it is malformed.
 */
export function enumName(btf: Btf, typeId: number, value: number | bigint): string | undefined {
  if (typeof value === "number" && !Number.isInteger(value)) return undefined;
  return namesOf(btf, resolve(btf, typeId)).get(BigInt(value));
}

function namesOf(btf: Btf, id: number): ReadonlyMap<bigint, string> {
  let types = known.get(btf);
  if (types === undefined) {
    types = new Map();
    known.set(btf, types);
  }
  let names = types.get(id);
  if (names === undefined) {
    const type = btf.type(id);
    if (type.kind !== Kind.ENUM && type.kind !== Kind.ENUM64) {
      throw new TypeError(`enum name in BTF type ${id} ${type.name}: it is no enumeration`);
    }
    const found: Map<bigint, string> = new Map();
    for (const { name, value } of type.values) {
      const key = BigInt(value);
      if (!found.has(key)) found.set(key, name);
    }
    names = found;
    types.set(id, names);
  }
  return names;
}
