/**
 * BTF type → plan: follows typedefs, flattens anonymous members, and refuses types that no codec
 * could handle in bounded time and memory. Decodes no values.
 *
 * @module
 */

import { BtfError } from "../src/error.ts";
import type { Btf } from "./btf.ts";
import type { ArrayPlan, BitsPlan, Choice, Field, Form, Part, Plan, View } from "./codec-plan.ts";
import { isFlexible } from "./codec-plan.ts";
import { Kind, kindName } from "./kind.ts";
import { typeName } from "./print.ts";
import { resolve } from "./size.ts";
import type { DatasecType, IntType, Member, StructType } from "./type.ts";

/** The largest type, as in the kernel. */
const MAX_SIZE = 0xffff_ffff;

/** Structures, unions and arrays within each other; the deepest in a kernel stay below 20. */
const MAX_NESTING = 64;

/**
 * Members walked for one codec. Anonymous members are walked again in each place; a whole section
 * of a kernel's variables has 2300.
 */
const MAX_MEMBERS = 1_000_000;

/**
 * Whether structures and unions have no named member, not behind anonymous levels either. Empty
 * ones in empty ones can be any number of members, for every codec anew, if they are walked.
 */
const hollow: WeakMap<Btf, Map<number, boolean>> = new WeakMap();

/**
 * What one decoding may make: so many values in any case, and so many for each byte.
 *
 * Unions of unions, and arrays of empty structures, can ask for any number from few bytes. The most
 * in kernels 5.10 … 7.2 are 34 a byte, in a union of 270 pointers.
 */
const FREE_WEIGHT = 65_536;
const FREE_WEIGHT_OF_ELEMENT = 256;
const WEIGHT_PER_BYTE = 64;

/** How a plan is to be made. */
export interface PlanOptions {
  /** Whether 64-bit integers are numbers. */
  readonly safe: boolean;
  /** Whether text goes to the last byte that is not zero. */
  readonly wholeText?: boolean;
}

/** Integers of a byte whose arrays are no text; GCC gives all but `char` and bool the encoding CHAR, too. */
const SMALL_NUMBERS: ReadonlySet<string> = new Set(["signed char", "unsigned char"]);

/**
 * The plan of a type.
 *
 * Throws BtfError for a type without values (a function's declaration tag), a structure that holds
 * itself or has a member outside of it or two of one name, and one whose decoding would cost far
 * more than its size.
 */
export function compilePlan(btf: Btf, id: number, options: PlanOptions): Plan {
  const plan = new Compiler(btf, options).plan(id, 0);
  if (plan.weight > FREE_WEIGHT + WEIGHT_PER_BYTE * plan.size) {
    throw new BtfError(
      `codec of ${typeName(btf, id)}: ${plan.size} bytes would decode to about ${plan.weight} values`,
      { typeId: id },
    );
  }
  return plan;
}

/**
 * A record's members while they are gathered: `fields` all of them, `parts` those of the record or
 * view at hand.
 */
interface Gathered {
  readonly owner: number;
  /** Where the record ends, or the anonymous one in it whose members are gathered. */
  end: number;
  readonly fields: Field[];
  readonly names: Set<string>;
}

class Compiler {
  readonly #btf: Btf;
  #left = MAX_MEMBERS;
  readonly #wide: Form;
  readonly #wholeText: boolean;
  readonly #known: Map<number, Plan> = new Map();
  readonly #hollow: Map<number, boolean>;
  /** Types being compiled, to find one that holds itself. */
  readonly #open: Set<number> = new Set();

  constructor(btf: Btf, { safe, wholeText = false }: PlanOptions) {
    this.#btf = btf;
    this.#wide = safe ? "safe" : "bigint";
    this.#wholeText = wholeText;
    this.#hollow = hollow.get(btf) ?? new Map();
    hollow.set(btf, this.#hollow);
  }

  plan(id: number, nesting: number): Plan {
    const at = resolve(this.#btf, id);
    let plan = this.#known.get(at);
    if (plan === undefined) {
      if (this.#open.has(at)) throw this.#error(at, "it contains itself");
      if (nesting > MAX_NESTING)
        throw this.#error(at, `it lies in more than ${MAX_NESTING} others`);
      this.#open.add(at);
      plan = this.#compile(at, nesting);
      this.#open.delete(at);
      if (plan.size > MAX_SIZE) throw this.#error(at, `its size ${plan.size} is above 2^32 - 1`);
      this.#known.set(at, plan);
    }
    return plan;
  }

  #compile(id: number, nesting: number): Plan {
    const type = this.#btf.type(id);
    switch (type.kind) {
      case Kind.INT:
        return this.#integer(type);
      case Kind.ENUM:
      case Kind.ENUM64:
        return this.#bytesOfInteger(id, type.size, type.signed);
      case Kind.PTR:
        return this.#bytesOfInteger(id, this.#btf.pointerSize, false);
      case Kind.FLOAT:
        // Half, extended and quadruple precision have no JavaScript form that loses nothing.
        return type.size === 4 || type.size === 8
          ? { kind: "float", size: type.size, weight: 1 }
          : bytesPlan(type.size);
      case Kind.ARRAY:
        return this.#array(type.element, type.length, false, nesting);
      case Kind.STRUCT:
      case Kind.UNION:
        return this.#structure(type, nesting);
      case Kind.DATASEC:
        return this.#section(type, nesting);
      case Kind.VAR:
        return this.plan(type.type, nesting);
      case Kind.VOID:
      case Kind.FWD:
      case Kind.FUNC:
      case Kind.FUNC_PROTO:
        return bytesPlan(0);
      default:
        throw this.#error(id, `a ${kindName(type.kind)} has no values`);
    }
  }

  #integer(type: IntType): Plan {
    const { size, bits, bitOffset, signed } = type;
    if (bits === 0 || bitOffset + bits > size * 8 || size > 16) {
      throw this.#error(
        type.id,
        `${bits} bits from bit ${bitOffset} of ${size} bytes are no integer`,
      );
    }
    if (type.bool) {
      if (size === 1 && bits === 8) {
        return { kind: "integer", size, signed: false, form: "boolean", weight: 1 };
      }
      return bitsPlan(size, bitOffset, bits, false, "boolean");
    }
    if (bits === size * 8) return this.#bytesOfInteger(type.id, size, signed);
    return bitsPlan(size, bitOffset, bits, signed, this.#form(size));
  }

  #bytesOfInteger(id: number, size: number, signed: boolean): Plan {
    if (size === 0 || size > 16) throw this.#error(id, `an integer of ${size} bytes`);
    const form = this.#form(size);
    return size === 1 || size === 2 || size === 4 || size === 8
      ? { kind: "integer", size, signed, form, weight: 1 }
      : bitsPlan(size, 0, size * 8, signed, form);
  }

  #form(size: number): Form {
    return size <= 4 ? "number" : this.#wide;
  }

  /**
   * What a bitfield's declared type says of it; only integers and enumerations can be bitfields.
   */
  #bitfield(member: Member, owner: number, bits: number, bitOffset: number): BitsPlan | undefined {
    const type = this.#btf.type(resolve(this.#btf, member.type));
    if (type.kind !== Kind.INT && type.kind !== Kind.ENUM && type.kind !== Kind.ENUM64) {
      return undefined;
    }
    if (bits === 0 || bits > type.size * 8 || type.size > 16) {
      throw this.#error(owner, `${bits} bits in member ${member.name} of ${type.size} bytes`);
    }
    const bool = type.kind === Kind.INT && type.bool;
    return bitsPlan(
      type.size,
      bitOffset % 8,
      bits,
      type.signed && !bool,
      bool ? "boolean" : this.#form(type.size),
    );
  }

  #array(element: number, length: number, flexible: boolean, nesting: number): Plan {
    const type = this.#btf.type(resolve(this.#btf, element));
    if (type.kind === Kind.INT && type.size === 1 && type.bits === 8 && !type.bool) {
      const text = type.name === "char" || (type.char && !SMALL_NUMBERS.has(type.name));
      if (text) {
        const whole = this.#wholeText && !flexible;
        return { kind: "text", size: length, whole, flexible, weight: 1 + length / 8 };
      }
      if (!type.signed) return { ...bytesPlan(length), flexible };
    }
    const plan = this.plan(element, nesting + 1);
    if (flexible && plan.weight > FREE_WEIGHT_OF_ELEMENT + WEIGHT_PER_BYTE * plan.size) {
      throw this.#error(element, `${plan.size} bytes would decode to about ${plan.weight} values`);
    }
    return {
      kind: "array",
      size: length * plan.size,
      length,
      element: plan,
      // Elements without bytes would fit any number of times.
      flexible: flexible && plan.size > 0,
      weight: 1 + length * plan.weight,
    } satisfies ArrayPlan;
  }

  #structure(type: StructType, nesting: number): Plan {
    const gathered: Gathered = { owner: type.id, end: type.size, fields: [], names: new Set() };
    const parts = this.#members(gathered, type, 0, true, nesting);
    return this.#record(gathered, parts, typeName(this.#btf, type.id));
  }

  #record(gathered: Gathered, parts: readonly Part[], name: string): Plan {
    const { fields, end: size } = gathered;
    let weight = 1;
    for (const { plan } of fields) weight += plan.weight;
    const flexible = fields.some((field) => field.tail && isFlexible(field.plan));
    return { kind: "record", name, size, fields, parts, flexible, weight };
  }

  /**
   * The parts that the members of a structure or union make, its fields added to `gathered`; `base`
   * in bits.
   */
  #members(
    gathered: Gathered,
    type: StructType,
    base: number,
    tail: boolean,
    nesting: number,
  ): Part[] {
    const union = type.kind === Kind.UNION;
    const parts: Part[] = [];
    const views: View[] = [];
    for (const [index, member] of type.members.entries()) {
      const first = gathered.fields.length;
      const last = tail && (union || index === type.members.length - 1);
      const added = this.#member(gathered, member, base, last, nesting);
      if (!union) {
        for (const part of added) parts.push(part);
      } else if (gathered.fields.length > first) {
        const only = added.length === 1 ? added[0] : undefined;
        if (only !== undefined && "choice" in only) {
          // A union in a union: its views are ours.
          for (const view of only.choice.views) views.push(view);
        } else {
          const fields = gathered.fields.slice(first).map((_, field) => first + field);
          views.push({ parts: added, fields });
        }
      }
    }
    if (views.length > 0) {
      parts.push({ choice: { offset: base / 8, size: type.size, views } satisfies Choice });
    }
    return parts;
  }

  #member(
    gathered: Gathered,
    member: Member,
    base: number,
    tail: boolean,
    nesting: number,
  ): Part[] {
    if (this.#left-- === 0) throw this.#error(gathered.owner, `over ${MAX_MEMBERS} members in it`);
    const bit = base + member.bitOffset;
    const type = this.#btf.type(resolve(this.#btf, member.type));
    if (member.name === "") {
      // What else has no name is padding.
      if (type.kind !== Kind.STRUCT && type.kind !== Kind.UNION) return [];
      return this.#anonymous(gathered, member, type, bit, tail, nesting);
    }
    if (member.bitSize !== 0) {
      const plan = this.#bitfield(member, gathered.owner, member.bitSize, bit);
      if (plan === undefined) {
        throw this.#error(gathered.owner, `member ${member.name} is a bitfield but no integer`);
      }
      return [this.#field(gathered, member.name, Math.floor(bit / 8), plan, false)];
    }
    if (type.kind === Kind.INT && (bit % 8 !== 0 || type.bits !== type.size * 8)) {
      // A bitfield of the old kind: the integer type says how many bits.
      const plan = this.#bitfield(member, gathered.owner, type.bits, bit + type.bitOffset);
      if (plan !== undefined) {
        const offset = Math.floor((bit + type.bitOffset) / 8);
        return [this.#field(gathered, member.name, offset, plan, false)];
      }
    }
    if (bit % 8 !== 0) {
      throw this.#error(gathered.owner, `member ${member.name} begins within a byte`);
    }
    const plan =
      tail && type.kind === Kind.ARRAY && type.length === 0
        ? this.#array(type.element, 0, true, nesting)
        : this.plan(member.type, nesting + 1);
    return [this.#field(gathered, member.name, bit / 8, plan, tail)];
  }

  #anonymous(
    gathered: Gathered,
    member: Member,
    type: StructType,
    bit: number,
    tail: boolean,
    nesting: number,
  ): Part[] {
    const { owner, end } = gathered;
    if (this.#isHollow(type, 0) === true) return [];
    if (this.#open.has(type.id)) throw this.#error(owner, "it contains itself");
    if (nesting >= MAX_NESTING) throw this.#error(owner, `more than ${MAX_NESTING} levels in it`);
    if (bit % 8 !== 0 || member.bitSize !== 0) {
      throw this.#error(owner, "an anonymous member begins within a byte");
    }
    if (bit / 8 + type.size > end)
      throw this.#error(owner, "an anonymous member lies outside of it");
    this.#open.add(type.id);
    gathered.end = bit / 8 + type.size;
    const parts = this.#members(gathered, type, bit, tail, nesting + 1);
    gathered.end = end;
    this.#open.delete(type.id);
    return parts;
  }

  /** Whether an anonymous member of that type brings no member in; undefined where it is nested too deep to tell. */
  #isHollow(type: StructType, depth: number): boolean | undefined {
    const known = this.#hollow.get(type.id);
    if (known !== undefined || depth > MAX_NESTING) return known;
    for (const { name, type: id } of type.members) {
      const inner = name === "" ? this.#btf.type(resolve(this.#btf, id)) : undefined;
      if (inner !== undefined && inner.kind !== Kind.STRUCT && inner.kind !== Kind.UNION) continue;
      const isHollow = inner === undefined ? false : this.#isHollow(inner, depth + 1);
      if (isHollow === true) continue;
      if (isHollow === false) this.#hollow.set(type.id, false);
      return isHollow;
    }
    this.#hollow.set(type.id, true);
    return true;
  }

  #section(type: DatasecType, nesting: number): Plan {
    const gathered: Gathered = { owner: type.id, end: type.size, fields: [], names: new Set() };
    const parts: Part[] = [];
    for (const { type: id, offset } of type.variables) {
      const variable = this.#btf.type(id);
      // Functions, in the section of kernel symbols, have no bytes.
      if (variable.kind !== Kind.VAR) continue;
      const plan = this.plan(variable.type, nesting + 1);
      parts.push(this.#field(gathered, variable.name, offset, plan, false));
    }
    return this.#record(gathered, parts, `section ${type.name}`);
  }

  #field(gathered: Gathered, name: string, offset: number, plan: Plan, tail: boolean): Part {
    const { owner, end, fields, names } = gathered;
    const span = plan.kind === "bits" ? plan.span : plan.size;
    if (offset + span > end) {
      throw this.#error(owner, `member ${name} ends at byte ${offset + span} of ${end}`);
    }
    if (names.has(name)) throw this.#error(owner, `two members are named ${name}`);
    names.add(name);
    fields.push({ name, offset, plan, tail });
    return { field: fields.length - 1 };
  }

  #error(id: number, text: string): BtfError {
    return new BtfError(`codec of ${typeName(this.#btf, id)}: ${text}`, { typeId: id });
  }
}

/** The plan of so many bytes about which nothing more is known. */
export function bytesPlan(size: number): Plan & { kind: "bytes" } {
  return { kind: "bytes", size, flexible: false, weight: 1 + size / 8 };
}

function bitsPlan(
  size: number,
  shift: number,
  bits: number,
  signed: boolean,
  form: Form,
): BitsPlan {
  const span = Math.ceil((shift + bits) / 8);
  return { kind: "bits", size, span, shift, bits, signed, form, weight: 1 };
}
