/**
 * The questions that one BPF object asks, worked out once from its own BTF and kept for every kernel that they are put to.
 *
 * A question that makes no sense in the object's own types is kept as such, with the reason, and never put to a kernel.
 *
 * @module
 */

import { type Btf, typeName } from "../../btf/index.ts";
import { BpfError } from "../error.ts";
import { CoreKind } from "./kind.ts";
import { accessText, type CoreQuestion, type LocalAccess, parseAccess } from "./local-access.ts";
import { localPlace } from "./match.ts";
import { TypeReader } from "./type-reader.ts";
import { type Value, valueAt } from "./value.ts";

/** A root type of the object. */
export interface LocalRoot {
  readonly id: number;
  readonly kind: number;
  readonly name: string;
  /** As C text, such as `struct task_struct`. */
  readonly text: string;
  readonly questions: Map<string, (LocalQuestion | undefined)[]>;
}

/** A question with what the object's own types say to it. */
export interface LocalQuestion {
  readonly kind: number;
  readonly accessor: string;
  readonly root: LocalRoot;
  /** As C text, such as `task_struct.se.vruntime`. */
  readonly path: string;
  /** Undefined where the record does not fit the object's own types; `fault` says why. */
  readonly access: LocalAccess | undefined;
  readonly value: Value | undefined;
  readonly fault: string | undefined;
}

const objects: WeakMap<Btf, LocalObject> = new WeakMap();

/** The object's side of relocation, for its BTF. */
export class LocalObject {
  readonly types: TypeReader;
  readonly #roots: Map<number, LocalRoot> = new Map();

  private constructor(btf: Btf) {
    this.types = new TypeReader(btf);
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

  /** The root type `id`; one that does not exist has kind -1 and answers nothing. */
  root(id: number): LocalRoot {
    let root = this.#roots.get(id);
    if (root === undefined) {
      root = this.#readRoot(id);
      this.#roots.set(id, root);
    }
    return root;
  }

  /** A question about a root type. */
  question(root: LocalRoot, accessor: string, kind: number): LocalQuestion {
    let kinds = root.questions.get(accessor);
    if (kinds === undefined) {
      kinds = [];
      root.questions.set(accessor, kinds);
    }
    // Kinds are few; whatever else a record says must not make the array large.
    const slot = kind <= CoreKind.TYPE_MATCHES ? kind : CoreKind.TYPE_MATCHES + 1;
    let question = kinds[slot];
    if (question?.kind !== kind) {
      question = this.#readQuestion(root, { type: root.id, accessor, kind });
      kinds[slot] = question;
    }
    return question;
  }

  #readRoot(id: number): LocalRoot {
    const { btf } = this.types;
    const questions: LocalRoot["questions"] = new Map();
    if (id >= btf.typeCount) return { id, kind: -1, name: "", text: `type ${id}`, questions };
    return { id, kind: btf.kind(id), name: btf.name(id), text: typeName(btf, id), questions };
  }

  #readQuestion(root: LocalRoot, question: CoreQuestion): LocalQuestion {
    const { kind, accessor } = question;
    let access: LocalAccess | undefined;
    let value: Value | undefined;
    let fault: string | undefined;
    let path = root.name === "" ? root.text : root.name;
    try {
      if (root.kind === -1) throw new BpfError(`${root.text} does not exist`, { code: "ERR_BTF" });
      access = parseAccess(this.types, question);
      path = accessText(this.types, access, kind);
      value = valueAt(kind, this.types, localPlace(access), this.types.btf.littleEndian);
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      fault = error.message;
    }
    return { kind, accessor, root, path, access, value, fault };
  }
}
