/**
 * One pass over the types of an object, for what the parts of the parser look up: data sections, variables, functions, tags.
 *
 * @module
 */

import { type Btf, type DatasecType, type DeclTagType, Kind } from "../../btf/index.ts";
import { type ElfSymbol, SymbolBinding, SymbolType } from "../../elf/index.ts";
import { ObjectError } from "../error.ts";
import { isHidden } from "./symbols.ts";
import type { DataLayout } from "./types.ts";

/** Linkage of a VAR or FUNC (`BTF_VAR_*` and `BTF_FUNC_*` of include/uapi/linux/btf.h). */
export const Linkage = { STATIC: 0, GLOBAL: 1, EXTERN: 2 } as const;

/** What begins the tag of a function that names the one which the kernel runs when it throws (BPF exceptions). */
const EXCEPTION_CALLBACK = "exception_callback:";

/** A variable of a data section, with the place that ELF gives it. */
export interface SectionVariable {
  name: string;
  /** BTF id of the VAR. */
  id: number;
  linkage: number;
  offset: number;
  size: number;
}

/** Types of an object by what the parser asks for. */
export class ObjectTypes {
  readonly btf: Btf;
  /** Ids of DATASEC types by name. */
  readonly sections: Map<string, number> = new Map();
  /** Ids of extern VAR and FUNC types by name. */
  readonly externs: Map<string, number> = new Map();
  /** Names of exception callbacks, by the id of the FUNC that declares one; undefined for several, which no kernel takes. */
  readonly exceptionCallbacks: Map<number, string | undefined> = new Map();
  readonly #tags = new Map<number, string[]>();
  readonly #symbols: Map<string, ElfSymbol>;

  constructor(btf: Btf, symbols: readonly ElfSymbol[]) {
    this.btf = btf;
    this.#symbols = dataSymbols(symbols);
    for (const id of btf.idsOf(Kind.DATASEC, Kind.VAR, Kind.FUNC, Kind.DECL_TAG)) {
      const type = btf.type(id);
      switch (type.kind) {
        case Kind.DATASEC:
          if (!this.sections.has(type.name)) this.sections.set(type.name, id);
          break;
        case Kind.VAR:
        case Kind.FUNC:
          if (type.linkage === Linkage.EXTERN && !this.externs.has(type.name)) {
            this.externs.set(type.name, id);
          }
          break;
        case Kind.DECL_TAG:
          if (type.component === -1) this.#addTag(type);
          break;
      }
    }
  }

  #addTag({ type, name }: DeclTagType): void {
    const tags = this.#tags.get(type);
    if (tags === undefined) this.#tags.set(type, [name]);
    else tags.push(name);
    if (name.startsWith(EXCEPTION_CALLBACK)) {
      const isFirst = !this.exceptionCallbacks.has(type);
      const callback = isFirst ? name.slice(EXCEPTION_CALLBACK.length) : undefined;
      this.exceptionCallbacks.set(type, callback);
    }
  }

  /** Texts of `btf_decl_tag` on a type as a whole. */
  tagsOf(id: number): string[] {
    return [...(this.#tags.get(id) ?? [])];
  }

  /** The DATASEC of that name, undefined without one. */
  section(name: string): DatasecType | undefined {
    const id = this.sections.get(name);
    const type = id === undefined ? undefined : this.btf.type(id);
    return type?.kind === Kind.DATASEC ? type : undefined;
  }

  /**
   * Variables of a data section, ascending by offset. Compilers leave offsets of global variables zero, ELF symbols tell them;
   * linked objects have them filled in. Hidden variables are reported static.
   *
   * @throws ObjectError for a global variable without a symbol, whose place nothing tells.
   */
  variables(name: string): SectionVariable[] {
    const section = this.section(name);
    if (section === undefined) return [];
    const fromSymbols = section.size === 0;
    const variables: SectionVariable[] = [];
    for (const { type: id, offset, size } of section.variables) {
      const type = this.btf.type(id);
      const linkage = type.kind === Kind.VAR ? type.linkage : Linkage.STATIC;
      const symbol = linkage === Linkage.STATIC ? undefined : this.#symbols.get(type.name);
      if (fromSymbols && linkage === Linkage.GLOBAL && symbol === undefined) {
        throw new ObjectError(`variable ${type.name} in section ${name} has no symbol`, {
          section: name,
        });
      }
      const hidden = symbol !== undefined && isHidden(symbol);
      variables.push({
        name: type.name,
        id,
        linkage: hidden ? Linkage.STATIC : linkage,
        offset: fromSymbols && symbol !== undefined ? symbol.value : offset,
        size,
      });
    }
    return variables.sort((a, b) => a.offset - b.offset);
  }

  /** What `variables` says of a section of `size` bytes, in the form that loading wants. */
  layoutOf(name: string, size: number): DataLayout["sections"][string] {
    const variables: { type: number; offset: number; size: number }[] = [];
    for (const variable of this.variables(name)) {
      const { id, offset } = variable;
      if (offset + variable.size > size) {
        throw new ObjectError(
          `variable ${variable.name}: ${variable.size} bytes at offset ${offset} cross the end of section ${name} at ${size}`,
          { section: name },
        );
      }
      variables.push({ type: id, offset, size: variable.size });
    }
    return { size, variables };
  }
}

function dataSymbols(symbols: readonly ElfSymbol[]): Map<string, ElfSymbol> {
  const byName = new Map<string, ElfSymbol>();
  for (const symbol of symbols) {
    const isData = symbol.type === SymbolType.OBJECT || symbol.type === SymbolType.NOTYPE;
    if (!isData || symbol.binding === SymbolBinding.LOCAL || symbol.section === 0) continue;
    byName.set(symbol.name, symbol);
  }
  return byName;
}
