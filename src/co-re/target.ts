/**
 * A kernel as a target of relocation: its BTF and those of its modules, searched for candidates by
 * the root type's name.
 *
 * As in libbpf, modules are asked only for what vmlinux does not have. Which candidate answers is
 * decided in answer.ts; this file only finds them, and keeps what was found for as long as the
 * target lives.
 *
 * @module
 */

import { type Btf, essentialName, Kind } from "../../btf/index.ts";
import { CandidateSet, MAX_CANDIDATES } from "./answer.ts";
import { isEnumeration, kindsCompatible } from "./compatible.ts";
import { Effort } from "./effort.ts";
import type { LocalObject, LocalRoot } from "./local-object.ts";
import { TypeReader } from "./type-reader.ts";

/** BTF of a kernel module, split from that of vmlinux. */
export interface ModuleBtf {
  readonly name: string;
  readonly btf: Btf;
}

/** How to describe a target. */
export interface CoreTargetOptions {
  /** What to call the kernel in messages. Default `vmlinux`. */
  readonly name?: string | undefined;
  /** Called once, when a type is not in vmlinux. Default no modules. */
  readonly modules?: (() => readonly ModuleBtf[]) | undefined;
}

/** A type of the target that bears the essential name of a root type and is of its kind. */
export interface Candidate {
  readonly types: TypeReader;
  readonly id: number;
  /** The module that has it, undefined for vmlinux. */
  readonly module: string | undefined;
}

/** An object that asks: candidates by root type, and what looking at them may still cost. */
interface AskingObject {
  readonly sets: Map<number, CandidateSet>;
  readonly effort: Effort;
}

/**
 * A kernel to relocate against. Keep it, and relocating the next object against the same kernel
 * costs next to nothing.
 */
export class CoreTarget {
  readonly vmlinux: Btf;
  readonly name: string;
  readonly #readModules: () => readonly ModuleBtf[];
  readonly #vmlinuxTypes: TypeReader;
  #modules: readonly { readonly name: string; readonly types: TypeReader }[] | undefined;
  readonly #candidates: Map<string, readonly Candidate[]> = new Map();
  readonly #objects: WeakMap<LocalObject, AskingObject> = new WeakMap();

  constructor(vmlinux: Btf, options: CoreTargetOptions = {}) {
    this.vmlinux = vmlinux;
    this.name = options.name ?? "vmlinux";
    this.#readModules = options.modules ?? (() => []);
    this.#vmlinuxTypes = new TypeReader(vmlinux);
  }

  /**
   * @internal All candidates for a root type of an object, with the answers that were already
   * worked out.
   */
  candidateSet(local: LocalObject, root: LocalRoot): CandidateSet {
    let object = this.#objects.get(local);
    if (object === undefined) {
      object = { sets: new Map(), effort: new Effort() };
      this.#objects.set(local, object);
    }
    const { sets, effort } = object;
    let set = sets.get(root.id);
    if (set === undefined) {
      set = new CandidateSet(local.types, this.#find(root.name, root.kind), effort);
      sets.set(root.id, set);
    }
    return set;
  }

  #find(name: string, kind: number): readonly Candidate[] {
    if (name === "") return [];
    // Enumerations of 32 and 64 bits stand for each other.
    const key = `${isEnumeration(kind) ? Kind.ENUM : kind} ${essentialName(name)}`;
    let found = this.#candidates.get(key);
    if (found === undefined) {
      found = candidatesIn(this.#vmlinuxTypes, name, kind, undefined, 1);
      if (found.length === 0) {
        this.#modules ??= this.#readModules().map(({ name: module, btf }) => {
          return { name: module, types: new TypeReader(btf) };
        });
        found = this.#modules.flatMap(({ name: module, types }) =>
          candidatesIn(types, name, kind, module, types.btf.firstId),
        );
      }
      this.#candidates.set(key, found);
    }
    return found;
  }
}

/**
 * The candidates for a root type of that name and kind in one BTF, from id `firstId` on; of types
 * with the name, no more are looked at than tell that there are too many.
 */
export function candidatesIn(
  types: TypeReader,
  name: string,
  kind: number,
  module: string | undefined,
  firstId: number,
): Candidate[] {
  const found: Candidate[] = [];
  const ids = types.btf.findEssential(name, MAX_CANDIDATES + 1);
  for (const id of ids) {
    if (ids.length > MAX_CANDIDATES) {
      found.push({ types, id, module });
      continue;
    }
    if (id < firstId || !kindsCompatible(kind, types.btf.kind(id))) continue;
    found.push({ types, id, module });
  }
  return found;
}
