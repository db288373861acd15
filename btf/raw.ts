/**
 * Types one by one as they stand in BTF, ids and all: the text and the JSON that bpftool gives of
 * them. Types as C are not made here.
 *
 * @module
 */

import type { Btf } from "./btf.ts";
import { FunctionLinkage, Kind, kindName, VariableLinkage } from "./kind.ts";
import type { BtfType, IntType } from "./type.ts";

/** What JSON has of a type: `id`, `kind` and `name`, and by kind what bpftool calls the rest. */
export interface RawType {
  readonly id: number;
  readonly kind: string;
  readonly name: string;
  readonly [field: string]: unknown;
}

/**
 * The text of a type as `bpftool btf dump` prints it, without a newline at its end: one line, and
 * one more for each member, enumerator, parameter or variable.
 *
 * Control characters in names become U+FFFD, so that lines stay what they are. Throws BtfError as
 * `Btf.type` does.
 */
export function rawText(btf: Btf, id: number): string {
  const raw = rawType(btf, id);
  const { kind, name } = raw;
  let text = `[${id}] ${kind} '${plain(name)}'`;
  for (const [field, value] of Object.entries(raw)) {
    if (field === "id" || field === "kind" || field === "name") continue;
    if (Array.isArray(value)) {
      for (const item of value) text += `\n\t${itemText(btf, kind, raw, item)}`;
    } else {
      // bpftool has a comma here and nowhere else.
      text += `${kind === "VAR" && field === "linkage" ? "," : ""} ${field}=${value}`;
    }
  }
  return text;
}

/**
 * A type as `bpftool --json btf dump` gives it, but that 64-bit values are bigint.
 *
 * Throws BtfError as `Btf.type` does.
 */
export function rawType(btf: Btf, id: number): RawType {
  if (btf.kind(id) > Kind.ENUM64) return { id, kind: "UNKNOWN", name: shown(btf.name(id)) };
  const type = btf.type(id);
  return {
    id,
    kind: type.kind === Kind.VOID ? "UNKNOWN" : kindName(type.kind),
    name: shown(type.name),
    ...fields(type),
  };
}

function fields(type: BtfType): Record<string, unknown> {
  switch (type.kind) {
    case Kind.VOID:
      return {};
    case Kind.INT:
      return {
        size: type.size,
        bits_offset: type.bitOffset,
        nr_bits: type.bits,
        encoding: encoding(type),
      };
    case Kind.ARRAY:
      return { type_id: type.element, index_type_id: type.index, nr_elems: type.length };
    case Kind.STRUCT:
    case Kind.UNION:
      return {
        size: type.size,
        vlen: type.members.length,
        members: type.members.map(({ name, type: id, bitOffset, bitSize }) => ({
          name: shown(name),
          type_id: id,
          bits_offset: bitOffset,
          ...(bitSize === 0 ? {} : { bitfield_size: bitSize }),
        })),
      };
    case Kind.ENUM:
    case Kind.ENUM64:
      return {
        encoding: type.signed ? "SIGNED" : "UNSIGNED",
        size: type.size,
        vlen: type.values.length,
        values: type.values.map(({ name, value }) => ({ name: shown(name), val: value })),
      };
    case Kind.FWD:
      return { fwd_kind: type.union ? "union" : "struct" };
    case Kind.FUNC:
      return { type_id: type.type, linkage: linkage(FunctionLinkage, type.linkage) };
    case Kind.FUNC_PROTO:
      return {
        ret_type_id: type.returns,
        vlen: type.parameters.length,
        params: type.parameters.map(({ name, type: id }) => ({ name: shown(name), type_id: id })),
      };
    case Kind.VAR:
      return { type_id: type.type, linkage: linkage(VariableLinkage, type.linkage) };
    case Kind.DATASEC:
      return {
        size: type.size,
        vlen: type.variables.length,
        vars: type.variables.map(({ type: id, offset, size }) => ({ type_id: id, offset, size })),
      };
    case Kind.FLOAT:
      return { size: type.size };
    case Kind.DECL_TAG:
      return { type_id: type.type, component_idx: type.component };
    default:
      return { type_id: type.type };
  }
}

/** The line of a member, enumerator, parameter or variable. */
function itemText(btf: Btf, kind: string, owner: RawType, item: Record<string, unknown>): string {
  const { name, ...rest } = item;
  const parts: string[] = typeof name === "string" ? [`'${plain(name)}'`] : [];
  for (const [field, value] of Object.entries(rest)) parts.push(`${field}=${value}`);
  let text = parts.join(" ");
  if (kind === "ENUM64") text += owner["encoding"] === "SIGNED" ? "LL" : "ULL";
  if (kind === "DATASEC") {
    const id = Number(item["type_id"]);
    const of = btf.kind(id) === Kind.VOID ? "UNKNOWN" : kindName(btf.kind(id));
    text += ` (${of} '${plain(shown(btf.name(id)))}')`;
  }
  return text;
}

/** bpftool tells one mark of an integer; compilers set no more. */
function encoding({ signed, char, bool }: IntType): string {
  const marks = [signed && "SIGNED", char && "CHAR", bool && "BOOL"].filter(
    (mark) => mark !== false,
  );
  return marks.length > 1 ? "UNKN" : (marks[0] ?? "(none)");
}

function linkage(names: Readonly<Record<string, number>>, value: number): string {
  const found = Object.keys(names).find((name) => names[name] === value);
  return found?.toLowerCase() ?? "(unknown)";
}

function shown(name: string): string {
  return name === "" ? "(anon)" : name;
}

function plain(name: string): string {
  return name.replaceAll(/\p{Cc}/gu, "\ufffd");
}
