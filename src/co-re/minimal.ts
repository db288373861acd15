/**
 * The least BTF that answers the CO-RE questions of some objects as a kernel's whole BTF does: for
 * kernels that have none of their own, shipped with the object (BTFGen).
 *
 * @module
 */

import { LONG_NAMES } from "../../btf/btf.ts";
import { type Btf, Kind, subset } from "../../btf/index.ts";
import { BpfError, RelocationError } from "../error.ts";
import { asksEnumerator, asksField, asksType, CoreKind, coreKindName } from "./kind.ts";
import type { CoreQuestion } from "./local-access.ts";
import { LocalObject, type LocalQuestion } from "./local-object.ts";
import { matchCandidate } from "./match.ts";
import { Selection } from "./selection.ts";
import { candidatesIn } from "./target.ts";
import { TypeReader } from "./type-reader.ts";

/** What is needed of an object: a `CollectionSpec` has it. */
export interface MinimalBtfObject {
  readonly btf: Btf | undefined;
  readonly programs: Readonly<
    Record<string, { readonly coreRelocations: readonly CoreQuestion[] }>
  >;
}

/**
 * The types and members of `btf` that CO-RE relocations of the objects need, as a blob of its own.
 *
 * Relocating one of the objects against it gives the same instructions as against `btf`, but for
 * ids of the kernel's types, which are numbered anew. What else a loader looks for in the types of a
 * kernel (attach targets, kernel functions) is not in there. As `bpftool gen min_core_btf`.
 *
 * @throws RelocationError when types of the kernel cannot be followed to say what is needed.
 */
export function minimalBtf(
  objects: MinimalBtfObject | readonly MinimalBtfObject[],
  btf: Btf,
): Uint8Array {
  const minimiser = new Minimiser(btf);
  for (const { btf: local, programs } of isList(objects) ? objects : [objects]) {
    if (local === undefined) continue;
    for (const [name, { coreRelocations }] of Object.entries(programs)) {
      for (const relocation of coreRelocations) minimiser.ask(local, relocation, name);
    }
  }
  return minimiser.finish();
}

function isList(
  objects: MinimalBtfObject | readonly MinimalBtfObject[],
): objects is readonly MinimalBtfObject[] {
  return Array.isArray(objects);
}

class Minimiser {
  readonly #target: TypeReader;
  readonly #selection: Selection;
  readonly #asked: Set<LocalQuestion> = new Set();
  /** Types that said no to a question about the whole type, and must go on doing so if they are kept. */
  readonly #refusals: { readonly id: number; readonly kind: number }[] = [];

  constructor(btf: Btf) {
    this.#target = new TypeReader(btf);
    this.#selection = new Selection(this.#target);
  }

  /** Keeps what the answer to a question of `program` rests on. */
  ask(local: Btf, { type, accessor, kind }: CoreQuestion, program: string): void {
    const object = LocalObject.of(local);
    const root = object.root(type);
    const question = root.question(accessor, kind);
    if (this.#asked.has(question)) return;
    this.#asked.add(question);
    const { access } = question;
    if (access === undefined || root.name === "" || kind === CoreKind.TYPE_ID_LOCAL) return;
    const selection = this.#selection;
    // All candidates that answer are kept: which of them is asked next depends on the programs that are loaded.
    for (const { id } of candidatesIn(this.#target, root.name, root.kind, undefined, 1)) {
      try {
        if (matchCandidate(kind, object.types, access, this.#target, id) === undefined) {
          if (asksType(kind)) this.#refusals.push({ id, kind });
        } else if (asksField(kind)) selection.addField(object.types, access, id);
        else if (asksEnumerator(kind)) selection.addValue(id);
        else this.#keepComparable(id, kind);
      } catch (error) {
        if (!(error instanceof BpfError)) throw error;
        throw new RelocationError(
          `choosing types for ${coreKindName(kind)} of ${question.path} in program ${program}: ${error.message}`,
          { program, symbol: question.path, cause: error },
        );
      }
    }
  }

  finish(): Uint8Array {
    const { types } = this.#selection;
    for (let before = -1; before !== types.size; ) {
      before = types.size;
      for (const { id, kind } of this.#refusals) if (types.has(id)) this.#keepComparable(id, kind);
    }
    this.#keepPointerSize();
    return subset(this.#target.btf, this.#selection);
  }

  #keepComparable(id: number, kind: number): void {
    if (kind === CoreKind.TYPE_MATCHES) this.#selection.addMatchable(id);
    else this.#selection.addComparable(id);
  }

  /** The size of pointers is that of the type `long`, and 8 without it. */
  #keepPointerSize(): void {
    const { btf } = this.#target;
    if (btf.pointerSize === 8 || this.#selection.types.size === 0) return;
    for (const name of LONG_NAMES) {
      const id = btf.find(name, Kind.INT);
      if (id !== undefined) this.#selection.addValue(id);
    }
  }
}
