/**
 * Maps that are declared as structures in the section `.maps`, whose members' types carry the numbers.
 *
 * Keys are those of libbpf (`parse_btf_map_def`): type, key, key_size, value, value_size, max_entries, map_flags, numa_node,
 * map_extra, pinning, values. An unknown key is refused: it would change what the map is.
 *
 * @module
 */

import { type Btf, Kind, type Member, resolve, type StructType, sizeOf } from "../../btf/index.ts";
import { type ElfFile, type ElfSection, SectionType } from "../../elf/index.ts";
import { ObjectError } from "../error.ts";
import { MapType } from "../uapi.ts";
import { emptyMap } from "./empty.ts";
import { Linkage, type ObjectTypes } from "./object-types.ts";
import { lowerBound } from "./search.ts";
import type { MapSpec } from "./types.ts";

const POINTER_SIZE = 8;
/** The smallest page of any machine; where pages are larger, rings are made as large as those. */
const PAGE_SIZE = 4096;
/** The largest power of two that `max_entries` holds. */
const MAX_RING = 2 ** 31;

/** A declared map with its place in the section. */
export interface DeclaredMap {
  spec: MapSpec;
  offset: number;
}

/** All maps of the section, in the order of their declaration. */
export function btfMaps(
  file: ElfFile,
  section: ElfSection,
  types: ObjectTypes | undefined,
): DeclaredMap[] {
  if (types === undefined || types.section(section.name) === undefined) {
    throw new ObjectError(
      `section ${section.name} declares maps, but the object has no BTF that describes them: compile with -g`,
      { section: section.name },
    );
  }
  const names = new Set<string>();
  const declared: (DeclaredMap & { definition: StructType })[] = [];
  for (const { name, id, linkage, offset } of types.variables(section.name)) {
    if (names.has(name)) throw fail(name, "is declared twice");
    names.add(name);
    if (linkage === Linkage.EXTERN || name === "") {
      throw fail(name, "is declared here, but defined in another object");
    }
    const type = types.btf.type(id);
    const isStatic = type.kind === Kind.VAR && type.linkage === Linkage.STATIC;
    if (isStatic)
      throw fail(name, "is static: remove `static` so that it can be found by its name");
    const definition = types.btf.type(resolve(types.btf, type.kind === Kind.VAR ? type.type : 0));
    if (definition.kind !== Kind.STRUCT) {
      throw fail(name, "is not declared as a structure with __uint() and __type()");
    }
    if (offset + definition.size > section.size) {
      throw fail(name, `stands at offset ${offset}, past the end of section ${section.name}`);
    }
    const spec = parseDefinition(types.btf, name, definition, section.name, false);
    spec.tags = types.tagsOf(id);
    declared.push({ spec, offset, definition });
  }
  for (const relocations of file.sections) {
    if (relocations.info !== section.index || relocations.type !== SectionType.REL) continue;
    fillSlots(file, section, relocations, declared);
  }
  return declared;
}

function fail(map: string, what: string): ObjectError {
  return new ObjectError(`map ${map} ${what}`, { section: ".maps" });
}

function parseDefinition(
  btf: Btf,
  name: string,
  definition: StructType,
  section: string,
  isInner: boolean,
): MapSpec {
  const map = emptyMap(name, section);
  map.btf = btf;
  const seen = new Set<string>();
  const last = definition.members.at(-1);
  for (const member of definition.members) {
    if (seen.has(member.name)) throw fail(name, `has two members \`${member.name}\``);
    seen.add(member.name);
    switch (member.name) {
      case "type":
        map.type = number(btf, name, member);
        break;
      case "max_entries":
        map.maxEntries = number(btf, name, member);
        break;
      case "map_flags":
        map.flags = number(btf, name, member);
        break;
      case "numa_node":
        map.numaNode = number(btf, name, member);
        break;
      case "map_extra":
        map.mapExtra = long(btf, name, member);
        break;
      case "key_size":
        map.keySize = agree(name, "key", map.keySize, number(btf, name, member));
        break;
      case "value_size":
        map.valueSize = agree(name, "value", map.valueSize, number(btf, name, member));
        break;
      case "key":
        map.keyType = pointee(btf, name, member);
        map.keySize = agree(name, "key", map.keySize, sizeOf(btf, map.keyType));
        break;
      case "value":
        map.valueType = pointee(btf, name, member);
        map.valueSize = agree(name, "value", map.valueSize, sizeOf(btf, map.valueType));
        break;
      case "pinning": {
        if (isInner) throw fail(name, "is the inner map of another one and cannot be pinned");
        map.pinning = number(btf, name, member);
        break;
      }
      case "values":
        if (isInner)
          throw fail(name, "is an inner map with inner maps of its own, which no kernel has");
        if (member !== last) throw fail(name, "has members behind `values`, which must be last");
        map.valueSize = agree(name, "value", map.valueSize, 4);
        map.inner = inner(btf, map, member);
        break;
      default:
        throw fail(name, `has the unknown member \`${member.name}\``);
    }
  }
  if (map.type === MapType.UNSPEC) throw fail(name, "has no type");
  if (map.type === MapType.RINGBUF || map.type === MapType.USER_RINGBUF) {
    map.maxEntries = ringSize(map.maxEntries);
  }
  return map;
}

/** The next size that the kernel takes for a ring, as libbpf has it: a page times a power of two; 0 stays the caller's. */
function ringSize(size: number): number {
  if (size === 0 || (size >= PAGE_SIZE && Number.isInteger(Math.log2(size)))) return size;
  const next = Math.max(PAGE_SIZE, 2 ** Math.ceil(Math.log2(size)));
  return next <= MAX_RING ? next : size;
}

/** `__uint(key, N)`: a pointer to an array of N elements. */
function number(btf: Btf, map: string, member: Member): number {
  const pointer = btf.type(resolve(btf, member.type));
  const array = pointer.kind === Kind.PTR ? btf.type(pointer.type) : undefined;
  if (array?.kind !== Kind.ARRAY)
    throw fail(map, `has a member \`${member.name}\` that is no __uint()`);
  return array.length;
}

/** `__ulong(key, N)`: an enumeration of the one value N; or `__uint()`. */
function long(btf: Btf, map: string, member: Member): bigint {
  const type = btf.type(resolve(btf, member.type));
  if (type.kind !== Kind.ENUM && type.kind !== Kind.ENUM64) return BigInt(number(btf, map, member));
  const [value, second] = type.values;
  if (value === undefined || second !== undefined) {
    throw fail(map, `has a member \`${member.name}\` that is no __ulong()`);
  }
  // Before clang 15 addresses of the upper half are numbers of 32 bits, which may count as unsigned: libbpf extends their sign.
  const bits = type.kind === Kind.ENUM ? 32 : 64;
  return BigInt.asUintN(64, BigInt.asIntN(bits, BigInt(value.value)));
}

/** `__type(key, T)`: a pointer to T. */
function pointee(btf: Btf, map: string, member: Member): number {
  const pointer = btf.type(member.type);
  if (pointer.kind !== Kind.PTR)
    throw fail(map, `has a member \`${member.name}\` that is no __type()`);
  return pointer.type;
}

function agree(map: string, what: string, known: number, size: number): number {
  if (known !== 0 && known !== size) {
    throw fail(map, `is given two ${what} sizes, ${known} and ${size}`);
  }
  return size;
}

/** `__array(values, T)`: the template of inner maps, or the prototype of programs in a program array. */
function inner(btf: Btf, map: MapSpec, member: Member): MapSpec | undefined {
  const isMapOfMaps = map.type === MapType.ARRAY_OF_MAPS || map.type === MapType.HASH_OF_MAPS;
  if (!isMapOfMaps && map.type !== MapType.PROG_ARRAY) {
    throw fail(map.name, "has `values`, but is neither a map of maps nor a program array");
  }
  const array = btf.type(resolve(btf, member.type));
  const pointer = array.kind === Kind.ARRAY ? btf.type(resolve(btf, array.element)) : undefined;
  const target = pointer?.kind === Kind.PTR ? btf.type(resolve(btf, pointer.type)) : undefined;
  if (target === undefined) throw fail(map.name, "has `values` that are no array of pointers");
  if (!isMapOfMaps) {
    if (target.kind !== Kind.FUNC_PROTO) throw fail(map.name, "has `values` that are no functions");
    return undefined;
  }
  if (target.kind !== Kind.STRUCT) throw fail(map.name, "has `values` that are no map definition");
  return parseDefinition(btf, `${map.name}.inner`, target, map.section, true);
}

/** Relocations of the section, `relocations`, say which maps or programs stand in `values` at the start. */
function fillSlots(
  file: ElfFile,
  section: ElfSection,
  relocations: ElfSection,
  declared: readonly (DeclaredMap & { definition: StructType })[],
): void {
  const names = new Map(declared.map(({ spec, offset }) => [offset, spec.name]));
  for (const { offset, symbol: index } of file.relocations(relocations)) {
    const symbol = file.symbols[index];
    // With its initial values a map is larger than its type: it goes on until the next one.
    const map = declared[lowerBound(declared, offset + 1) - 1];
    const values = map?.definition.members.at(-1);
    const isInside = offset + POINTER_SIZE <= section.size;
    if (!isInside || symbol === undefined || map === undefined || values?.name !== "values") {
      throw new ObjectError(
        `section ${section.name}: a relocation at offset ${offset} is in no map's \`values\``,
        { section: section.name },
      );
    }
    const position = offset - map.offset - values.bitOffset / 8;
    if (position < 0 || position % POINTER_SIZE !== 0) {
      throw fail(
        map.spec.name,
        `has an initial value at offset ${offset}, which is no slot of \`values\``,
      );
    }
    // A relocation may name the section and an offset instead of the map itself.
    const isSection = symbol.name === "" && symbol.section === section.index;
    const name = isSection ? names.get(symbol.value) : symbol.name;
    if (name === undefined || name === "") {
      throw fail(map.spec.name, `has an initial value at offset ${offset} without a name`);
    }
    map.spec.slots.push({ index: position / POINTER_SIZE, name });
  }
}
