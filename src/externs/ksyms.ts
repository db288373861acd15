/**
 * Decides what each kernel symbol that an object asks for (`__ksym`) is on this kernel: an address,
 * a type, or absent.
 *
 * The rules are libbpf's (`bpf_object__resolve_externs` of src/libbpf.c). Instructions are written
 * in `patch.ts`.
 *
 * @module
 */

import { type Btf, essentialName, Kind, kindName, resolve, typeName } from "../../btf/index.ts";
import { typesCompatible } from "../co-re/compatible.ts";
import { TypeReader } from "../co-re/type-reader.ts";
import { BpfError, BtfError } from "../error.ts";
import type { KsymExtern, ObjectSpec } from "../spec/index.ts";
import type { SymbolAddresses } from "../sys/kallsyms.ts";
import type { KernelType, KernelTypes, OpenModule, SymbolSources } from "./kernel-types.ts";

/** What a symbol is on this kernel. */
export type KsymAnswer =
  /** Zero for a weak symbol that the kernel does not have. */
  | { readonly kind: "address"; readonly address: bigint }
  /** A variable or function with an id in the types of vmlinux, or of a module. */
  | {
      readonly kind: "variable" | "function";
      readonly id: number;
      readonly module: OpenModule | undefined;
    }
  /** A weak variable or function that the kernel does not have; `why` is for messages. */
  | { readonly kind: "absent"; readonly why: string };

/** The section of extern symbols in BTF. */
const SECTION = ".ksyms";

/**
 * Answers for all symbols of an object, by name. Modules are opened in `types`, which the caller
 * closes.
 *
 * @throws BpfError with code `ERR_EXTERN` when a strong symbol is not there or of another type, or
 * one cannot be told from another of its name; UnsupportedError without types of the kernel.
 */
export function resolveKsyms(
  spec: Pick<ObjectSpec, "btf" | "ksyms">,
  types: KernelTypes,
  sources: SymbolSources,
): Map<string, KsymAnswer> {
  const { btf, ksyms } = spec;
  const answers = new Map<string, KsymAnswer>();
  const declared = declaredSymbols(btf);
  for (const extern of ksyms) {
    if (!declared.has(extern.type)) throw undeclared(extern);
  }
  const untyped = ksyms.filter(({ kind }) => kind === "untyped");
  if (untyped.length > 0) {
    const list = sources.addresses(untyped.map(({ name }) => name));
    for (const extern of untyped) answers.set(extern.name, addressOf(extern, list));
  }
  if (btf === undefined) return answers;
  const local = new TypeReader(btf);
  for (const extern of ksyms) {
    const { kind } = extern;
    if (kind !== "untyped") answers.set(extern.name, typeOf(extern, kind, local, types));
  }
  return answers;
}

/** Ids of what the object declares with `__ksym`. */
function declaredSymbols(btf: Btf | undefined): Set<number> {
  const section = btf?.find(SECTION, Kind.DATASEC);
  const type = section === undefined ? undefined : btf?.type(section);
  return new Set(type?.kind === Kind.DATASEC ? type.variables.map(({ type: id }) => id) : []);
}

function addressOf({ name, weak }: KsymExtern, list: SymbolAddresses): KsymAnswer {
  const [first, second] = list.ambiguous.get(name) ?? [];
  if (first !== undefined && second !== undefined) {
    throw failure(
      `the kernel has several symbols ${name}, at ${hex(first)} and ${hex(second)} among others, and which is meant cannot be told`,
    );
  }
  const address = list.addresses.get(name);
  if (address === undefined && !weak) {
    throw failure(
      `the kernel has no symbol ${name} in /proc/kallsyms; ` +
        "variables are listed with CONFIG_KALLSYMS_ALL only; declare it __weak to get the address 0",
    );
  }
  if (address !== undefined && list.hidden && !weak) {
    throw failure(
      `the kernel hides the address of ${name} (all of /proc/kallsyms is zero): ` +
        "it takes CAP_SYSLOG with kernel.kptr_restrict 0 or 1, and is never shown with 2",
    );
  }
  return { kind: "address", address: address ?? 0n };
}

function typeOf(
  extern: KsymExtern,
  kind: "variable" | "function",
  local: TypeReader,
  types: KernelTypes,
): KsymAnswer {
  const { name, weak } = extern;
  const isFunction = kind === "function";
  // As in libbpf, flavours are for functions only.
  const sought = isFunction ? essentialName(name) : name;
  const found = types.find(sought, isFunction ? Kind.FUNC : Kind.VAR);
  const what = `${kind} ${sought}`;
  if (found === undefined) {
    const why = `this kernel has no ${what}`;
    if (weak) return { kind: "absent", why };
    throw failure(
      `${why}, neither in vmlinux nor in a loaded module; load the module that has it, or declare it __weak and test for it`,
      types.unreadable,
    );
  }
  const mismatch = compare(extern, local, found);
  if (mismatch !== undefined) {
    // As in libbpf: of functions, several may be declared for several kernels; a variable has one
    // type.
    const why = `the ${what} of ${found.module ?? "vmlinux"} is of another type than the object declares`;
    if (weak && isFunction) return { kind: "absent", why };
    throw failure(`${why}: ${mismatch.text}`, mismatch.cause);
  }
  if (found.module === undefined) return { kind, id: found.id, module: undefined };
  try {
    return { kind, id: found.id, module: types.open(found.module) };
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    const { code } = error;
    const why = `the ${what} is in module ${found.module}, which cannot be opened (${code})`;
    // As in libbpf, there are no modules without the privilege. Other failures are no absence.
    if (weak && (code === "EPERM" || code === "ENOENT")) return { kind: "absent", why };
    throw failure(code === "EPERM" ? `${why}; it takes CAP_SYS_ADMIN` : why, error);
  }
}

/** How the types of object and kernel differ, undefined when they go together. */
function compare(
  extern: KsymExtern,
  local: TypeReader,
  found: KernelType,
): { text: string; cause?: unknown } | undefined {
  const kernel = new TypeReader(found.btf);
  try {
    const ours = declaredType(local.btf, extern.type);
    const theirs = declaredType(found.btf, found.id);
    if (typesCompatible(local, ours, kernel, theirs)) return undefined;
    return { text: `${typeName(found.btf, theirs)}, not ${typeName(local.btf, ours)}` };
  } catch (cause) {
    if (cause instanceof BtfError) return { text: cause.message, cause };
    throw cause;
  }
}

/** The type of a variable, behind typedefs and qualifiers, or the prototype of a function. */
function declaredType(btf: Btf, id: number): number {
  const type = btf.type(id);
  if (type.kind !== Kind.VAR && type.kind !== Kind.FUNC) {
    throw new BtfError(`type ${id} is ${kindName(type.kind)}, no variable or function`, {
      typeId: id,
    });
  }
  return resolve(btf, type.type);
}

function undeclared({ name, type }: KsymExtern): BpfError {
  return type === 0
    ? failure(
        `no type information says what ${name} is, which is declared and not defined; compile with -g`,
      )
    : failure(
        `${name} is declared and defined nowhere; link the object that defines it, or declare it __ksym if it is the kernel's`,
      );
}

function failure(what: string, cause?: unknown): BpfError {
  return new BpfError(`load object: ${what}`, { code: "ERR_EXTERN", cause });
}

function hex(address: bigint): string {
  return `0x${address.toString(16)}`;
}
