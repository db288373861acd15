/**
 * The variables of a data section, such as `.bss`, in the one value of the map that holds it.
 *
 * @module
 */

import { type Btf, codecOf, Kind } from "../../btf/index.ts";
import type { BpfMap } from "../../maps/index.ts";
import { typesById } from "./types-by-id.ts";

/** Decodes the value of a map that holds a data section into its variables; undefined for other maps. */
export function sectionDecoder(
  map: BpfMap,
): ((value: Uint8Array) => Record<string, unknown>) | undefined {
  const { btfId, valueType } = map.info();
  const btf = valueType === 0 ? undefined : typesById()(btfId);
  if (btf === undefined || btf.kind(valueType) !== Kind.DATASEC) return undefined;
  return decoderOf(btf, valueType);
}

function decoderOf(btf: Btf, id: number): (value: Uint8Array) => Record<string, unknown> {
  const section = btf.type(id);
  const variables = section.kind === Kind.DATASEC ? section.variables : [];
  const fields = variables.flatMap(({ type, offset, size }) => {
    const variable = btf.type(type);
    if (variable.kind !== Kind.VAR) return [];
    return [{ name: variable.name, offset, size, codec: codecOf(btf, variable.type) }];
  });
  return (value) => {
    const decoded: Record<string, unknown> = {};
    for (const { name, offset, size, codec } of fields) {
      // Static variables of several functions can have one name.
      let key = name;
      for (let count = 2; Object.hasOwn(decoded, key); count++) key = `${name}#${count}`;
      const isInside = offset + Math.max(size, codec.size) <= value.length;
      Object.defineProperty(decoded, key, {
        value: isInside ? codec.decode(value, offset) : null,
        enumerable: true,
      });
    }
    return decoded;
  };
}
