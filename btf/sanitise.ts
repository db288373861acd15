/**
 * Makes BTF acceptable to kernels that do not know all kinds: each unknown one is replaced by an
 * older kind of the same size.
 *
 * No id moves, since programs, maps and records name types by id. The replacements are those of
 * libbpf's bpf_object__sanitize_btf. Which kernel knows what is not decided here.
 *
 * @module
 */

import type { BtfEditor } from "./editor.ts";
import { FunctionLinkage, Kind } from "./kind.ts";

/** What the kernel that will load the types understands; all true unless said. */
export interface BtfFeatures {
  /** FUNC and FUNC_PROTO, K 5.0. */
  readonly functions?: boolean;
  /** FUNC with a linkage other than static, K 5.6. */
  readonly globalFunctions?: boolean;
  /** VAR and DATASEC, K 5.2. */
  readonly dataSections?: boolean;
  /** FLOAT, K 5.13. */
  readonly floats?: boolean;
  /** DECL_TAG, K 5.16. */
  readonly declTags?: boolean;
  /** TYPE_TAG, K 5.17. */
  readonly typeTags?: boolean;
  /** ENUM64, and ENUM with a sign, K 6.0. */
  readonly enum64?: boolean;
  /** Names of data sections that begin with `?`, K 6.9. */
  readonly questionMarks?: boolean;
}

/** The word of an INT that is unsigned, of 8 bits. */
const ONE_BYTE = 8;

/** Replaces in `editor` what `features` says is not known. */
export function sanitise(editor: BtfEditor, features: BtfFeatures): void {
  if (!Object.values(features).includes(false)) return;
  let placeholder: number | undefined;
  // Not those added on the way: they are made to be acceptable.
  const typeCount = editor.typeCount;
  for (let id = 1; id < typeCount; id++) {
    switch (editor.kind(id)) {
      case Kind.VAR:
        if (features.dataSections === false) toByte(editor, id);
        break;
      case Kind.DECL_TAG:
        if (features.declTags === false) toByte(editor, id);
        break;
      case Kind.DATASEC:
        if (features.dataSections === false) toStruct(editor, id);
        else if (features.questionMarks === false && editor.name(id).startsWith("?")) {
          editor.rename(id, `_${editor.name(id).slice(1)}`);
        }
        break;
      case Kind.FUNC_PROTO:
        if (features.functions === false) toEnum(editor, id);
        break;
      case Kind.FUNC:
        if (features.functions === false) editor.setKind(id, Kind.TYPEDEF, 0);
        else if (features.globalFunctions === false) {
          editor.setKind(id, Kind.FUNC, FunctionLinkage.STATIC);
        }
        break;
      case Kind.FLOAT:
        if (features.floats === false) {
          // An empty structure of the same size; without a name, as `float` is none for a
          // structure.
          editor.rename(id, "");
          editor.setKind(id, Kind.STRUCT, 0);
        }
        break;
      case Kind.TYPE_TAG:
        if (features.typeTags === false) {
          editor.rename(id, "");
          editor.setKind(id, Kind.CONST, 0);
        }
        break;
      case Kind.ENUM:
        // Clears the kind flag.
        if (features.enum64 === false) editor.setKind(id, Kind.ENUM);
        break;
      case Kind.ENUM64:
        if (features.enum64 === false) {
          placeholder ??= editor.add("enum64_placeholder", Kind.INT, 0, 1, ONE_BYTE);
          toUnion(editor, id, placeholder);
        }
        break;
    }
  }
}

/**
 * A declaration becomes an integer of one byte: a wider one might not fit where the variable was.
 */
function toByte(editor: BtfEditor, id: number): void {
  const at = editor.at(id);
  editor.setKind(id, Kind.INT, 0);
  editor.words[at + 2] = 1;
  editor.words[at + 3] = ONE_BYTE;
}

/**
 * A prototype becomes an enumeration, names and types of its parameters those and values of
 * enumerators.
 */
function toEnum(editor: BtfEditor, id: number): void {
  editor.setKind(id, Kind.ENUM);
  editor.words[editor.at(id) + 2] = 4;
  for (let i = 0; i < editor.count(id); i++) {
    // Pointers to functions have nameless parameters; libbpf leaves them so, which only the first
    // kernels accept.
    const name = editor.element(id, i, 2);
    if (editor.words[name] === 0) editor.words[name] = editor.string("parameter");
  }
}

/**
 * A data section becomes a structure, its variables members: three words each, in another order.
 */
function toStruct(editor: BtfEditor, id: number): void {
  const { words } = editor;
  editor.rename(id, editor.name(id).replaceAll(/[.?]/g, "_"));
  editor.setKind(id, Kind.STRUCT);
  for (let i = 0; i < editor.count(id); i++) {
    const at = editor.element(id, i, 3);
    const variable = words[at]!;
    const offset = words[at + 1]!;
    words[at] = words[editor.at(variable)]!;
    words[at + 1] = variable;
    words[at + 2] = (offset * 8) >>> 0;
  }
}

/**
 * A 64-bit enumeration becomes a union with a member for each name: only its size and names are
 * left.
 */
function toUnion(editor: BtfEditor, id: number, member: number): void {
  editor.setKind(id, Kind.UNION);
  for (let i = 0; i < editor.count(id); i++) {
    const at = editor.element(id, i, 3);
    editor.words[at + 1] = member;
    editor.words[at + 2] = 0;
  }
}
