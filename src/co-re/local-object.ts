/**
 * The questions that one BPF object asks, worked out once from its own BTF and kept for every
 * kernel that they are put to.
 *
 * A question that makes no sense in the object's own types is kept as such, with the reason, and
 * never put to a kernel.
 *
 * @module
 */

import { type Btf, typeName } from "../../btf/index.ts";
import { BpfError } from "../error.ts";
import { attempt } from "./attempt.ts";
import { CoreKind } from "./kind.ts";
import { accessText, type CoreQuestion, type LocalAccess, parseAccess } from "./local-access.ts";
import { TypeReader } from "./type-reader.ts";
import { type Value, valueAt } from "./value.ts";

/** Pointers of BPF programs are 64 bits wide on every machine. */
const POINTER_SIZE = 8;

/** A root type of the object. */
export class LocalRoot {
  readonly id: number;
  /** -1 for a type that does not exist. */
  readonly kind: number;
  readonly name: string;
  readonly #types: TypeReader;
  readonly #questions: Map<string, (LocalQuestion | undefined)[]> = new Map();

  constructor(types: TypeReader, id: number) {
    this.id = id;
    this.name = attempt(() => types.btf.name(id), "");
    this.kind = id < types.btf.typeCount ? types.kind(id) : -1;
    this.#types = types;
  }

  /** As C text, such as `struct task_struct`. */
  get text(): string {
    return attempt(() => typeName(this.#types.btf, this.id), `type ${this.id}`);
  }

  /** A question about this type. */
  question(accessor: string, kind: number): LocalQuestion {
    let kinds = this.#questions.get(accessor);
    if (kinds === undefined) {
      kinds = [];
      this.#questions.set(accessor, kinds);
    }
    // Kinds are few; whatever else a record says must not make the array large.
    const slot = kind <= CoreKind.TYPE_MATCHES ? kind : CoreKind.TYPE_MATCHES + 1;
    let question = kinds[slot];
    if (question?.kind !== kind) {
      question = new LocalQuestion(this.#types, this, accessor, kind);
      kinds[slot] = question;
    }
    return question;
  }
}

/** A question with what the object's own types say to it. */
export class LocalQuestion implements CoreQuestion {
  readonly root: LocalRoot;
  readonly type: number;
  readonly accessor: string;
  readonly kind: number;
  /** Undefined where the record does not fit the object's own types; `fault` says why. */
  readonly access: LocalAccess | undefined;
  readonly value: Value | undefined;
  readonly fault: string | undefined;
  readonly #types: TypeReader;

  constructor(types: TypeReader, root: LocalRoot, accessor: string, kind: number) {
    this.root = root;
    this.type = root.id;
    this.accessor = accessor;
    this.kind = kind;
    this.#types = types;
    try {
      if (root.kind === -1) throw new BpfError(`${root.text} does not exist`, { code: "ERR_BTF" });
      this.access = parseAccess(types, this);
      this.value = valueAt(kind, types, this.access, types.btf.littleEndian);
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      this.fault = error.message;
    }
  }

  /** As C text, such as `task_struct.se.vruntime`. */
  get path(): string {
    const { root, access, kind } = this;
    const short = root.name || root.text;
    if (access === undefined) return short;
    return attempt(() => accessText(this.#types, access, kind), short);
  }
}

const objects: WeakMap<Btf, LocalObject> = new WeakMap();

/** The object's side of relocation, for its BTF. */
export class LocalObject {
  readonly types: TypeReader;
  readonly #roots: Map<number, LocalRoot> = new Map();

  private constructor(btf: Btf) {
    this.types = new TypeReader(btf, POINTER_SIZE);
  }

  /** The one for this BTF, made at first use. */
  static of(btf: Btf): LocalObject {
    let object = objects.get(btf);
    if (object === undefined) {
      object = new LocalObject(btf);
      objects.set(btf, object);
    }
    return object;
  }

  /** The root type `id`; one that does not exist answers nothing. */
  root(id: number): LocalRoot {
    let root = this.#roots.get(id);
    if (root === undefined) {
      root = new LocalRoot(this.types, id);
      this.#roots.set(id, root);
    }
    return root;
  }
}
