/**
 * What a decoded BTF type looks like: plain data, told apart by `kind`, which names other types by
 * id. No code.
 *
 * @module
 */

import type { Kind } from "./kind.ts";

/** What every type has: its id, and its name, which is empty where there is none. */
export interface NamedType {
  readonly id: number;
  readonly name: string;
}

/** `void`, id 0. */
export interface VoidType extends NamedType {
  readonly kind: typeof Kind.VOID;
}

/**
 * An integer: `size` in bytes; `bits` of it, from `bitOffset` on, are used (old bitfields use fewer
 * than all).
 */
export interface IntType extends NamedType {
  readonly kind: typeof Kind.INT;
  readonly size: number;
  readonly signed: boolean;
  readonly char: boolean;
  readonly bool: boolean;
  readonly bitOffset: number;
  readonly bits: number;
}

/** A pointer to `type`. */
export interface PointerType extends NamedType {
  readonly kind: typeof Kind.PTR;
  readonly type: number;
}

/** An array of `length` elements; length 0 is a flexible array too. */
export interface ArrayType extends NamedType {
  readonly kind: typeof Kind.ARRAY;
  readonly element: number;
  readonly index: number;
  readonly length: number;
}

/** A member of a structure or union; `bitSize` is 0 where the member is no bitfield. */
export interface Member {
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
  readonly bitSize: number;
}

/** A structure or union; `size` in bytes. */
export interface StructType extends NamedType {
  readonly kind: typeof Kind.STRUCT | typeof Kind.UNION;
  readonly size: number;
  readonly members: readonly Member[];
}

/**
 * An enumeration of at most 32 bits; `size` in bytes.
 *
 * Values are negative only where `signed`. Compilers before LLVM 15 never say so: their -1 reads
 * 4294967295.
 */
export interface EnumType extends NamedType {
  readonly kind: typeof Kind.ENUM;
  readonly size: number;
  readonly signed: boolean;
  readonly values: readonly { readonly name: string; readonly value: number }[];
}

/** An enumeration of 64 bits; `size` in bytes. */
export interface Enum64Type extends NamedType {
  readonly kind: typeof Kind.ENUM64;
  readonly size: number;
  readonly signed: boolean;
  readonly values: readonly { readonly name: string; readonly value: bigint }[];
}

/** A structure, or where `union` is set a union, whose members are not known. */
export interface FwdType extends NamedType {
  readonly kind: typeof Kind.FWD;
  readonly union: boolean;
}

/** Another name of `type`. */
export interface TypedefType extends NamedType {
  readonly kind: typeof Kind.TYPEDEF;
  readonly type: number;
}

/** `type`, volatile. */
export interface VolatileType extends NamedType {
  readonly kind: typeof Kind.VOLATILE;
  readonly type: number;
}

/** `type`, const. */
export interface ConstType extends NamedType {
  readonly kind: typeof Kind.CONST;
  readonly type: number;
}

/** `type`, restrict. */
export interface RestrictType extends NamedType {
  readonly kind: typeof Kind.RESTRICT;
  readonly type: number;
}

/** A function; `type` is its prototype, `linkage` one of `FunctionLinkage`. */
export interface FuncType extends NamedType {
  readonly kind: typeof Kind.FUNC;
  readonly type: number;
  readonly linkage: number;
}

/** A parameter; the last one with type 0 stands for `...`. */
export interface Parameter {
  readonly name: string;
  readonly type: number;
}

/** Return type (0 for void) and parameters of a function. */
export interface FuncProtoType extends NamedType {
  readonly kind: typeof Kind.FUNC_PROTO;
  readonly returns: number;
  readonly parameters: readonly Parameter[];
}

/** A variable; `linkage` is one of `VariableLinkage`. */
export interface VarType extends NamedType {
  readonly kind: typeof Kind.VAR;
  readonly type: number;
  readonly linkage: number;
}

/** Where a variable (or, in `.ksyms`, a function) lies in its section, in bytes. */
export interface DatasecVariable {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
}

/**
 * A data section; compilers leave `size`, and the offsets of global variables, 0 for the loader to
 * fill in.
 */
export interface DatasecType extends NamedType {
  readonly kind: typeof Kind.DATASEC;
  readonly size: number;
  readonly variables: readonly DatasecVariable[];
}

/** A floating point number; `size` in bytes. */
export interface FloatType extends NamedType {
  readonly kind: typeof Kind.FLOAT;
  readonly size: number;
}

/**
 * The tag `name` on `type`, or on its member or parameter number `component` (-1: on the type
 * itself).
 *
 * With `attribute` the name is a whole C attribute instead of the text of a `btf_decl_tag`, K 6.15.
 */
export interface DeclTagType extends NamedType {
  readonly kind: typeof Kind.DECL_TAG;
  readonly type: number;
  readonly component: number;
  readonly attribute: boolean;
}

/**
 * `type` with the tag `name`, such as `rcu` or `user`.
 *
 * With `attribute` the name is a whole C attribute instead of the text of a `btf_type_tag`, K 6.15.
 */
export interface TypeTagType extends NamedType {
  readonly kind: typeof Kind.TYPE_TAG;
  readonly type: number;
  readonly attribute: boolean;
}

/** Any decoded type. */
export type BtfType =
  | VoidType
  | IntType
  | PointerType
  | ArrayType
  | StructType
  | EnumType
  | Enum64Type
  | FwdType
  | TypedefType
  | VolatileType
  | ConstType
  | RestrictType
  | FuncType
  | FuncProtoType
  | VarType
  | DatasecType
  | FloatType
  | DeclTagType
  | TypeTagType;
