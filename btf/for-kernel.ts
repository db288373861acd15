/**
 * The types of a whole BPF object as BPF_BTF_LOAD takes them: host byte order, and what compilers
 * leave open filled in.
 *
 * Every id of the object stays as it is. What to fill in comes from ELF, which is read elsewhere.
 *
 * @module
 */

import { BtfError } from "../src/error.ts";
import type { Btf } from "./btf.ts";
import { BtfEditor } from "./editor.ts";
import { FunctionLinkage, Kind, MAX_KIND, VariableLinkage } from "./kind.ts";
import { type BtfFeatures, sanitise } from "./sanitise.ts";

/** Where a variable lies in its section, in bytes; `type` is the id of its VAR. */
export interface VariablePlace {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  /** One of `VariableLinkage`. Default: as it is; static where ELF hides a global variable. */
  readonly linkage?: number;
}

/** What ELF knows and the compiler left open in BTF. */
export interface BtfEdits {
  /**
   * By name of a DATASEC: its size in bytes, and the places of its variables; those not listed stay
   * where they are.
   */
  readonly sections?: Readonly<
    Record<string, { readonly size: number; readonly variables: readonly VariablePlace[] }>
  >;
  /** Names of global functions that the kernel shall take for static: those that ELF hides. */
  readonly staticFunctions?: Iterable<string>;
}

/** Kernel functions and variables; libbpf pretends that it holds an integer for each of them. */
const KERNEL_SYMBOLS = ".ksyms";
const INTEGER_SIZE = 4;

/**
 * The name of the variable that stands for a kernel function, and of parameters that have none; as
 * libbpf's.
 */
const STAND_IN = "dummy_ksym";

/** Words of struct btf_var_secinfo (type, offset, size) and struct btf_param (name, type). */
const VARIABLE_WORDS = 3;
const PARAMETER_WORDS = 2;

/**
 * The blob to load for an object: its types with `edits` filled in, less what `features` says the
 * kernel lacks.
 *
 * Extern functions and variables become global ones, since a kernel refuses extern; so it does
 * functions with nameless parameters, which get a name. Throws BtfError for a data section whose
 * size is neither known nor in `edits`.
 */
export function forKernel(btf: Btf, edits: BtfEdits = {}, features: BtfFeatures = {}): Uint8Array {
  const editor = new BtfEditor(btf);
  const staticFunctions = new Set(edits.staticFunctions);
  const prototypes = new Set<number>();
  const sections: number[] = [];
  const { words } = editor;
  // By places in the words, not by the editor, which would take 1.5 ms of a first load of 1740 types.
  for (let id = 1; id < btf.typeCount; id++) {
    const at = btf.wordOf(id);
    switch ((words[at + 1]! >>> 24) & MAX_KIND) {
      case Kind.FUNC:
        fixLinkage(editor, id, staticFunctions);
        prototypes.add(words[at + 2]!);
        break;
      case Kind.VAR:
        if (words[at + 3] === VariableLinkage.EXTERN) words[at + 3] = VariableLinkage.GLOBAL;
        break;
      case Kind.PTR:
      case Kind.CONST:
      case Kind.VOLATILE:
      case Kind.RESTRICT:
        // The kernel refuses a name here, which Rust compilers give to pointers.
        words[at] = 0;
        break;
      case Kind.DATASEC:
        sections.push(id);
        break;
    }
  }
  for (const id of prototypes) nameParameters(editor, id);
  for (const id of sections) {
    if (editor.name(id) === KERNEL_SYMBOLS) fixKernelSymbols(editor, id);
    else fixSection(editor, id, edits.sections);
  }
  sanitise(editor, features);
  return editor.bytes();
}

function fixLinkage(editor: BtfEditor, id: number, staticFunctions: ReadonlySet<string>): void {
  const linkage = editor.count(id);
  if (linkage === FunctionLinkage.EXTERN) editor.setKind(id, Kind.FUNC, FunctionLinkage.GLOBAL);
  if (linkage === FunctionLinkage.GLOBAL && staticFunctions.has(editor.name(id))) {
    editor.setKind(id, Kind.FUNC, FunctionLinkage.STATIC);
  }
}

function nameParameters(editor: BtfEditor, prototype: number): void {
  if (editor.kind(prototype) !== Kind.FUNC_PROTO) return;
  const { words } = editor;
  const first = editor.element(prototype, 0, PARAMETER_WORDS);
  const end = first + editor.count(prototype) * PARAMETER_WORDS;
  for (let at = first; at < end; at += PARAMETER_WORDS) {
    // Without name and type it is the `...` at the end, which must stay so.
    if (words[at] === 0 && words[at + 1] !== 0) words[at] = editor.string(STAND_IN);
  }
}

function fixSection(editor: BtfEditor, id: number, sections: BtfEdits["sections"] = {}): void {
  const { words } = editor;
  const name = editor.name(id);
  const edit = Object.hasOwn(sections, name) ? sections[name] : undefined;
  const size = editor.at(id) + 2;
  if (edit !== undefined) words[size] = checked(edit.size, `size of section ${name}`);
  if (words[size] === 0) {
    throw new BtfError(`preparing BTF for the kernel: section ${name} has no size`, { typeId: id });
  }
  const places = new Map(edit?.variables.map((place) => [place.type, place]));
  const variables: (readonly [type: number, offset: number, size: number])[] = [];
  for (let i = 0; i < editor.count(id); i++) {
    const at = editor.element(id, i, VARIABLE_WORDS);
    const type = words[at]!;
    const place = places.get(type);
    if (place === undefined) {
      variables.push([type, words[at + 1]!, words[at + 2]!]);
      continue;
    }
    if (editor.kind(type) !== Kind.VAR) {
      throw new BtfError(
        `preparing BTF for the kernel: type ${type} in section ${name} is no VAR`,
        { typeId: type },
      );
    }
    const what = `${editor.name(type)} in section ${name}`;
    variables.push([type, checked(place.offset, what), checked(place.size, what)]);
    if (place.linkage !== undefined) {
      words[editor.at(type) + 3] = checked(place.linkage, `linkage of ${what}`);
    }
  }
  // The kernel wants them ascending.
  variables.sort((a, b) => a[1] - b[1]);
  for (const [i, variable] of variables.entries()) {
    const at = editor.element(id, i, VARIABLE_WORDS);
    for (const [word, value] of variable.entries()) words[at + word] = value;
  }
}

/**
 * Each kernel symbol becomes a global integer, one after the other; functions are replaced by a
 * stand-in variable.
 */
function fixKernelSymbols(editor: BtfEditor, id: number): void {
  const count = editor.count(id);
  let integer: number | undefined;
  let standIn: number | undefined;
  for (let i = 0; i < count; i++) {
    const at = editor.element(id, i, VARIABLE_WORDS);
    const symbol = editor.words[at]!;
    integer ??= findInteger(editor);
    if (editor.kind(symbol) === Kind.VAR) {
      editor.words[editor.at(symbol) + 2] = integer;
    } else {
      standIn ??= editor.add(STAND_IN, Kind.VAR, 0, integer, VariableLinkage.GLOBAL);
      editor.words[at] = standIn;
    }
    editor.words[at + 1] = i * INTEGER_SIZE;
    editor.words[at + 2] = INTEGER_SIZE;
  }
  editor.words[editor.at(id) + 2] = count * INTEGER_SIZE;
}

/** An integer of 32 bits, added where the object has none. */
function findInteger(editor: BtfEditor): number {
  for (let id = 1; id < editor.typeCount; id++) {
    const at = editor.at(id);
    if (editor.kind(id) === Kind.INT && editor.words[at + 2] === INTEGER_SIZE) {
      if ((editor.words[at + 3]! & 0xffff) === 32) return id;
    }
  }
  return editor.add("int", Kind.INT, 0, INTEGER_SIZE, 0x0100_0020);
}

function checked(value: number, what: string): number {
  if (value >>> 0 !== value) {
    throw new RangeError(`preparing BTF for the kernel: ${what} is ${value}`);
  }
  return value;
}
