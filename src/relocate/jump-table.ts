/**
 * Jump tables: places of instructions that clang 22 writes for `switch` and for `goto *label` (`-mcpu=v4`), to which `gotox` jumps.
 *
 * The kernel wants each in a map of its own, an instruction array (Linux 6.19). libbpf makes those while it loads a program and
 * tells nobody of them; here they stand in the program's references.
 *
 * @module
 */

import type { ElfFile, ElfSection, ElfSymbol } from "../../elf/index.ts";
import { SLOT } from "../asm/index.ts";
import { viewOf } from "../bytes.ts";
import { RelocationError } from "../error.ts";

/** The section that holds all of an object's. */
export const JUMP_TABLES = ".jumptables";

/** Bytes of an entry: where in its section an instruction stands, in bytes. */
const ENTRY = 8;
/** What an instruction array holds: 32 bits. */
const MAX_PLACE = 0xffff_ffff;
/** Together an object's tables have no more entries than a program has instructions. */
const MAX_ENTRIES = 1_000_000;

/** Slots in a code section, in the order of the table. */
export type JumpTable = readonly number[];

/** Reads jump tables of one object, each once. */
export class JumpTables {
  readonly #known = new Map<string, JumpTable>();
  #entries = 0;

  /** The table that a symbol names, all of which must be in `section`. */
  read(file: ElfFile, section: ElfSection, { name, value, size }: ElfSymbol): JumpTable {
    const key = `${value}:${size}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const data = file.data(section);
    const end = value + size;
    if (value % ENTRY !== 0 || size % ENTRY !== 0 || size === 0 || !(end <= data.length)) {
      throw new RelocationError(
        `jump table ${name}: it is to be ${size} bytes at ${value} of section ${section.name}, which has ${data.length} bytes in entries of ${ENTRY}`,
        { symbol: name },
      );
    }
    this.#entries += size / ENTRY;
    if (this.#entries > MAX_ENTRIES) {
      throw new RelocationError(`the jump tables have more than ${MAX_ENTRIES} entries together`);
    }
    const view = viewOf(data);
    const table = Array.from({ length: size / ENTRY }, (_, index) => {
      const place = view.getBigUint64(value + index * ENTRY, file.littleEndian);
      return Number(place / BigInt(SLOT));
    });
    this.#known.set(key, table);
    return table;
  }
}

/**
 * The slots of a table in a linked program, in which the function that jumps stands `moved` slots further on than in its section;
 * undefined where they cannot be of that function.
 */
export function movedTable(table: JumpTable, moved: number): number[] | undefined {
  const targets = table.map((slot) => slot + moved);
  return targets.every((slot) => slot >= 0 && slot <= MAX_PLACE) ? targets : undefined;
}
