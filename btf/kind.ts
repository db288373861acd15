/**
 * The constants of BTF: kinds of types, linkage of variables and functions, limits of the format.
 * No reading here.
 *
 * All from include/uapi/linux/btf.h.
 *
 * @module
 */

/** Kinds of BTF types, `BTF_KIND_*`. */
export const Kind = {
  /** BTF_KIND_UNKN: `void`, always id 0 and never stored. */
  VOID: 0,
  /** BTF_KIND_INT: integer, character or boolean, K 4.18. */
  INT: 1,
  /** BTF_KIND_PTR: pointer, K 4.18. */
  PTR: 2,
  /** BTF_KIND_ARRAY: array with element type, index type and length, K 4.18. */
  ARRAY: 3,
  /** BTF_KIND_STRUCT: structure, K 4.18; bitfields by kind flag since K 5.0. */
  STRUCT: 4,
  /** BTF_KIND_UNION: union, K 4.18. */
  UNION: 5,
  /** BTF_KIND_ENUM: enumeration whose values fit 32 bits, K 4.18; sign by kind flag since K 6.0. */
  ENUM: 6,
  /** BTF_KIND_FWD: forward declaration of a structure or union, K 4.18. */
  FWD: 7,
  /** BTF_KIND_TYPEDEF: another name of a type, K 4.18. */
  TYPEDEF: 8,
  /** BTF_KIND_VOLATILE: qualifier, K 4.18. */
  VOLATILE: 9,
  /** BTF_KIND_CONST: qualifier, K 4.18. */
  CONST: 10,
  /** BTF_KIND_RESTRICT: qualifier, K 4.18. */
  RESTRICT: 11,
  /** BTF_KIND_FUNC: a function by name, K 5.0; linkage since K 5.6. */
  FUNC: 12,
  /** BTF_KIND_FUNC_PROTO: parameters and return type, K 5.0. */
  FUNC_PROTO: 13,
  /** BTF_KIND_VAR: a variable by name, K 5.2. */
  VAR: 14,
  /** BTF_KIND_DATASEC: a data section and the variables in it, K 5.2. */
  DATASEC: 15,
  /** BTF_KIND_FLOAT: floating point number, K 5.13. */
  FLOAT: 16,
  /** BTF_KIND_DECL_TAG: a tag on a declaration, member or parameter, K 5.16. */
  DECL_TAG: 17,
  /** BTF_KIND_TYPE_TAG: a tag on a pointed-to type, K 5.17. */
  TYPE_TAG: 18,
  /** BTF_KIND_ENUM64: enumeration with 64-bit values, K 6.0. */
  ENUM64: 19,
} as const;
/** One of the kinds in the table {@link Kind}. */
export type Kind = (typeof Kind)[keyof typeof Kind];

const kindNames: readonly string[] = Object.keys(Kind);

/** The name of a kind as in the table {@link Kind}; `kind 42` for an unknown number. */
export function kindName(kind: number): string {
  return kindNames[kind] ?? `kind ${kind}`;
}

/** Linkage of a variable, `BTF_VAR_*`. */
export const VariableLinkage = {
  /** BTF_VAR_STATIC: visible in its object file only. */
  STATIC: 0,
  /** BTF_VAR_GLOBAL_ALLOCATED: defined here, visible to others. */
  GLOBAL: 1,
  /** BTF_VAR_GLOBAL_EXTERN: defined elsewhere; the kernel refuses it. */
  EXTERN: 2,
} as const;
/** One of the numbers in the table {@link VariableLinkage}. */
export type VariableLinkage = (typeof VariableLinkage)[keyof typeof VariableLinkage];

/** Linkage of a function, `enum btf_func_linkage`, K 5.6. */
export const FunctionLinkage = {
  /** BTF_FUNC_STATIC: verified in the context of each caller. */
  STATIC: 0,
  /** BTF_FUNC_GLOBAL: verified once, by its prototype alone. */
  GLOBAL: 1,
  /** BTF_FUNC_EXTERN: a kernel function, or one of another object file. */
  EXTERN: 2,
} as const;
/** One of the numbers in the table {@link FunctionLinkage}. */
export type FunctionLinkage = (typeof FunctionLinkage)[keyof typeof FunctionLinkage];

/**
 * The first two bytes of BTF and of .BTF.ext as a number, BTF_MAGIC; it also tells the byte order.
 */
export const MAGIC = 0xeb9f;

/**
 * Members, values, variables or parameters that one type can have, BTF_MAX_VLEN; older kernels read
 * 16 bits of it.
 */
export const MAX_VLEN = 0xffffff;

/** The largest kind that the format has room for, BTF_MAX_KIND; older kernels read 5 bits of it. */
export const MAX_KIND = 0x7f;

/**
 * Longest chain of typedefs, qualifiers, arrays or nested structures that is followed, as in the
 * kernel's verifier.
 */
export const MAX_DEPTH = 32;
