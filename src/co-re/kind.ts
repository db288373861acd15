/**
 * The thirteen questions that a CO-RE relocation can ask, their names, and which of them are about
 * fields, types or enumerators.
 *
 * From `enum bpf_core_relo_kind` of include/uapi/linux/bpf.h.
 *
 * @module
 */

/** What a CO-RE relocation asks about a type of the kernel, `BPF_CORE_*`. */
export const CoreKind = {
  /** BPF_CORE_FIELD_BYTE_OFFSET: where the field is; for a bitfield, where the word to load is. */
  FIELD_BYTE_OFFSET: 0,
  /** BPF_CORE_FIELD_BYTE_SIZE: bytes of the field; for a bitfield, of the word to load. */
  FIELD_BYTE_SIZE: 1,
  /** BPF_CORE_FIELD_EXISTS: 1 where the field is there, else 0. */
  FIELD_EXISTS: 2,
  /** BPF_CORE_FIELD_SIGNED: 1 for a signed integer or enumeration. */
  FIELD_SIGNED: 3,
  /** BPF_CORE_FIELD_LSHIFT_U64: left shift that drops the bits above a bitfield. */
  FIELD_LSHIFT_U64: 4,
  /** BPF_CORE_FIELD_RSHIFT_U64: right shift that drops the bits below it afterwards. */
  FIELD_RSHIFT_U64: 5,
  /** BPF_CORE_TYPE_ID_LOCAL: the type's id in the object's own BTF. */
  TYPE_ID_LOCAL: 6,
  /** BPF_CORE_TYPE_ID_TARGET: the type's id in the kernel's BTF, 0 where there is none. */
  TYPE_ID_TARGET: 7,
  /** BPF_CORE_TYPE_EXISTS: 1 where a compatible type is there. */
  TYPE_EXISTS: 8,
  /** BPF_CORE_TYPE_SIZE: bytes of the type, 0 where there is none. */
  TYPE_SIZE: 9,
  /** BPF_CORE_ENUMVAL_EXISTS: 1 where the enumerator is there. */
  ENUMVAL_EXISTS: 10,
  /** BPF_CORE_ENUMVAL_VALUE: the enumerator's value. */
  ENUMVAL_VALUE: 11,
  /** BPF_CORE_TYPE_MATCHES: 1 where a type is there that has all that the object's has. */
  TYPE_MATCHES: 12,
} as const;
/** One of the numbers in the table {@link CoreKind}. */
export type CoreKind = (typeof CoreKind)[keyof typeof CoreKind];

const names: readonly string[] = Object.keys(CoreKind).map((name) => name.toLowerCase());

/** The kind's name in lower case, such as `field_byte_offset`; `kind 99` for an unknown number. */
export function coreKindName(kind: number): string {
  return names[kind] ?? `kind ${kind}`;
}

/** Whether the accessor of such a relocation walks the fields of the root type. */
export function asksField(kind: number): boolean {
  return kind >= CoreKind.FIELD_BYTE_OFFSET && kind <= CoreKind.FIELD_RSHIFT_U64;
}

/** Whether the relocation is about the root type as a whole. */
export function asksType(kind: number): boolean {
  return (
    (kind >= CoreKind.TYPE_ID_LOCAL && kind <= CoreKind.TYPE_SIZE) || kind === CoreKind.TYPE_MATCHES
  );
}

/** Whether the relocation is about one value of an enumeration. */
export function asksEnumerator(kind: number): boolean {
  return kind === CoreKind.ENUMVAL_EXISTS || kind === CoreKind.ENUMVAL_VALUE;
}

/**
 * Whether the answer for what the target lacks is the constant 0, so that no instruction needs
 * poison.
 */
export function absenceIsAnswer(kind: number): boolean {
  return kind === CoreKind.FIELD_EXISTS || kind === CoreKind.ENUMVAL_EXISTS || asksType(kind);
}
