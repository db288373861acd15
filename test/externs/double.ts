/**
 * A kernel and an object of our own, for cases that no kernel at hand has: modules, and prototypes
 * that differ.
 *
 * @module
 */

import { type Btf, BtfBuilder, FunctionLinkage, Kind, VariableLinkage } from "../../btf/index.ts";
import { BpfError } from "../../src/error.ts";
import type { SymbolSources } from "../../src/externs/kernel-types.ts";
import type { KsymExtern } from "../../src/spec/index.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import type { SymbolAddresses } from "../../src/sys/kallsyms.ts";

/** What a function returns and takes, or what a variable is: names of {@link TypeAdder}. */
export interface Declaration {
  name: string;
  /** Return type and parameters of a function. */
  prototype?: readonly TypeName[];
  /** Type of a variable. */
  type?: TypeName;
}

export type TypeName = "void" | "int" | "u64" | "task *" | "socket *" | "const int";

/** Adds types by name, each once. */
class TypeAdder {
  readonly builder: BtfBuilder;
  readonly #ids = new Map<TypeName, number>([["void", 0]]);

  constructor(base?: Btf) {
    this.builder = new BtfBuilder({ base });
  }

  id(name: TypeName): number {
    let id = this.#ids.get(name);
    if (id === undefined) {
      id = this.#add(name);
      this.#ids.set(name, id);
    }
    return id;
  }

  declare(what: Declaration, linkage: { function: number; variable: number }): number {
    const { name, prototype } = what;
    if (prototype === undefined) {
      const type = this.id(what.type ?? "int");
      return this.builder.add({ kind: Kind.VAR, name, type, linkage: linkage.variable });
    }
    const [returns = 0, ...taken] = prototype.map((type) => this.id(type));
    const parameters = taken.map((type, index) => ({ name: `p${index}`, type }));
    const type = this.builder.add({ kind: Kind.FUNC_PROTO, returns, parameters });
    return this.builder.add({ kind: Kind.FUNC, name, type, linkage: linkage.function });
  }

  #add(name: TypeName): number {
    const int = (text: string, size: number, signed: boolean): number =>
      this.builder.add({
        kind: Kind.INT,
        name: text,
        size,
        signed,
        char: false,
        bool: false,
        bitOffset: 0,
        bits: size * 8,
      });
    const pointer = (text: string): number => {
      const type = this.builder.add({ kind: Kind.STRUCT, name: text, size: 0, members: [] });
      return this.builder.add({ kind: Kind.PTR, type });
    };
    switch (name) {
      case "int":
        return int("int", 4, true);
      case "u64":
        return int("unsigned long long", 8, false);
      case "const int":
        return this.builder.add({ kind: Kind.CONST, type: this.id("int") });
      case "task *":
        return pointer("task");
      case "socket *":
        return pointer("socket");
      default:
        return 0;
    }
  }
}

/** An object that asks for symbols; those without prototype and type are asked for by address. */
export function objectWith(...symbols: readonly (Declaration & { weak?: boolean })[]): {
  btf: Btf;
  kconfig: [];
  ksyms: KsymExtern[];
} {
  const types = new TypeAdder();
  const linkage = { function: FunctionLinkage.EXTERN, variable: VariableLinkage.EXTERN };
  const ksyms = symbols.map((symbol): KsymExtern => {
    const { name, prototype, type, weak = false } = symbol;
    const id = types.declare({ ...symbol, type: type ?? "void" }, linkage);
    const kind = prototype !== undefined ? "function" : type !== undefined ? "variable" : "untyped";
    return { name, weak, kind, type: id };
  });
  const variables = ksyms.map(({ type }) => ({ type, offset: 0, size: 0 }));
  types.builder.add({ kind: Kind.DATASEC, name: ".ksyms", size: 0, variables });
  return { btf: types.builder.btf(), kconfig: [], ksyms };
}

/** What the kernel double has, and what happened to it. */
export interface KernelDouble extends SymbolSources {
  /** Modules whose types were read, in this order. */
  read: string[];
  /** Descriptors by module, of those that were opened. */
  opened: Map<string, { number: number; closed: number }>;
  /** Names whose addresses were sought, a list for each search. */
  sought: string[][];
}

/** A kernel with these declarations in vmlinux and in modules, in this order. */
export function kernelWith(
  vmlinux: readonly Declaration[],
  modules: Readonly<Record<string, readonly Declaration[] | Error>> = {},
  symbols: Partial<SymbolAddresses> = {},
): KernelDouble {
  const linkage = { function: FunctionLinkage.STATIC, variable: VariableLinkage.GLOBAL };
  const typesOf = (declarations: readonly Declaration[], base?: Btf): Btf => {
    const types = new TypeAdder(base);
    for (const declaration of declarations) types.declare(declaration, linkage);
    return types.builder.btf();
  };
  const base = typesOf(vmlinux);
  const read: string[] = [];
  const opened: KernelDouble["opened"] = new Map();
  const sought: string[][] = [];
  return {
    read,
    opened,
    sought,
    vmlinux: () => base,
    moduleNames: () => Object.keys(modules),
    moduleBtf(name) {
      read.push(name);
      const declarations = modules[name];
      if (declarations instanceof Error) throw declarations;
      if (declarations === undefined) throw new BpfError(`no ${name}`, { code: "ENOENT" });
      return typesOf(declarations, base);
    },
    openModule(name) {
      const descriptor = {
        number: 100 + opened.size,
        closed: 0,
        close() {
          this.closed++;
        },
      };
      opened.set(name, descriptor);
      return descriptor as unknown as FileDescriptor;
    },
    addresses(names) {
      sought.push([...names]);
      return { addresses: new Map(), ambiguous: new Map(), hidden: false, ...symbols };
    },
  };
}

/** Where a declaration of {@link kernelWith} is: the id of its function or variable. */
export function idOf(btf: Btf, name: string): number {
  const id = btf.findAll(name).at(-1);
  if (id === undefined) throw new Error(`the kernel double has no ${name}`);
  return id;
}
