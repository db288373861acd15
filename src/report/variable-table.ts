/**
 * Names of an object's variables by their place in the maps that hold them.
 *
 * @module
 */

import type { ObjectSpec } from "../spec/index.ts";

interface Place {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

type Variables = Pick<ObjectSpec, "variables" | "kconfig">;

const tables: WeakMap<Variables, VariableTable> = new WeakMap();

/** Finds the variable that covers a byte of a map's value. */
export class VariableTable {
  readonly #maps: Map<string, Place[]> = new Map([[".kconfig", []]]);

  /** The one of an object, made at first use. */
  static of(object: Variables): VariableTable {
    const table = tables.get(object) ?? new VariableTable(object);
    tables.set(object, table);
    return table;
  }

  private constructor({ variables, kconfig }: Variables) {
    this.#maps.get(".kconfig")?.push(...kconfig);
    for (const variable of Object.values(variables)) {
      const known = this.#maps.get(variable.map);
      if (known === undefined) this.#maps.set(variable.map, [variable]);
      else known.push(variable);
    }
    for (const places of this.#maps.values()) places.sort((a, b) => a.offset - b.offset);
  }

  /** The variable at `offset` of a map's value, such as `counters` or `counters+8`; null for none. */
  at(map: string, offset: number): string | null {
    const places = this.#maps.get(map) ?? [];
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (places[middle]!.offset <= offset) low = middle + 1;
      else high = middle;
    }
    const found = places[low - 1];
    if (found === undefined || offset >= found.offset + found.size) return null;
    return offset === found.offset ? found.name : `${found.name}+${offset - found.offset}`;
  }
}
