/**
 * Fills the `.kconfig` map: what an object asks about the kernel's version, features and
 * configuration (`__kconfig`).
 *
 * @module
 */

import { BpfError } from "../error.ts";
import type { KconfigExtern, ObjectSpec } from "../spec/index.ts";
import {
  binary,
  KconfigEncoder,
  type KconfigType,
  type KconfigValue,
  kconfigType,
  writeValue,
} from "./kconfig-value.ts";
import { type ConfigText, parseConfig, readKernelConfig } from "./kernel-config.ts";
import { kernelFact } from "./kernel-facts.ts";

/** The map that holds the values. */
export const KCONFIG_MAP = ".kconfig";

/**
 * Configuration that comes before the kernel's own: values by name, or lines as in a `.config`.
 *
 * `true`, `false` and the strings `y`, `m`, `n` are for booleans and tristates; for arrays of char
 * a string is the text itself.
 */
export type KconfigOverrides = string | Readonly<Record<string, KconfigValue>>;

/** Where values come from; tests stand in for kernels that this machine does not run. */
export interface KconfigSources {
  /**
   * Reads the kernel's configuration, or throws why it cannot be read; `names` are the options it
   * is read for.
   */
  config(names: readonly string[]): ConfigText;
  /** The value of a name that begins with `LINUX_`, undefined for one that is not known. */
  fact(name: string): number | undefined;
}

const runningKernel: KconfigSources = {
  config: (names) => readKernelConfig(names),
  fact: kernelFact,
};

const OPTION = "CONFIG_";
const FACT = "LINUX_";
const OVERRIDES = "option kconfig";

/**
 * The bytes of the `.kconfig` map. The kernel's configuration is read only for what `overrides`
 * leaves open; weak externs that are nowhere are zero.
 *
 * @throws BpfError with code `ERR_EXTERN` when a strong extern is nowhere, a value does not fit its
 * type, or the configuration is needed and cannot be read; TypeError when `overrides` holds no
 * values.
 */
export function kconfigBytes(
  spec: Pick<ObjectSpec, "btf" | "kconfig">,
  overrides?: KconfigOverrides,
  sources: KconfigSources = runningKernel,
): Uint8Array {
  const { btf, kconfig } = spec;
  const end = kconfig.reduce((most, { offset, size }) => Math.max(most, offset + size), 0);
  const bytes = new Uint8Array(end);
  if (btf === undefined) return bytes;
  const encoder = new KconfigEncoder(btf.littleEndian);
  const types = new Map(kconfig.map((extern) => [extern.name, kconfigType(btf, extern)]));
  const open = new Map<string, KconfigExtern>();
  for (const extern of kconfig) {
    if (extern.name.startsWith(OPTION)) open.set(extern.name, extern);
    else bytes.set(factBytes(extern, types.get(extern.name)!, encoder, sources), extern.offset);
  }

  const looked: string[] = [];
  const take = (source: string, values: ReadonlyMap<string, string>): void => {
    looked.push(source);
    for (const [name, value] of values) {
      const extern = open.get(name);
      if (extern === undefined) continue;
      bytes.set(encoder.encode(name, types.get(name)!, value, source), extern.offset);
      open.delete(name);
    }
  };
  if (overrides !== undefined) take(OVERRIDES, overriding(overrides, types));
  if (open.size > 0) {
    const names = [...open.keys()];
    const config = sources.config(names);
    take(config.source, parseConfig(config, new Set(names)));
  }
  for (const { name, weak } of open.values()) {
    if (weak) continue;
    throw new BpfError(
      `load object: it asks for ${name}, which is not set in ${looked.join(" or ")}; ` +
        "declare it __weak to read it as zero, or give it with option kconfig",
      { code: "ERR_EXTERN" },
    );
  }
  return bytes;
}

function overriding(
  overrides: KconfigOverrides,
  types: ReadonlyMap<string, KconfigType>,
): Map<string, string> {
  if (typeof overrides === "string") {
    const text = checkedLines(overrides);
    return parseConfig({ source: OVERRIDES, text: binary(text) }, new Set(types.keys()));
  }
  if (typeof overrides !== "object" || overrides === null) {
    throw new TypeError(`option kconfig is ${String(overrides)}; give values by name, or text`);
  }
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(overrides)) {
    if (!name.startsWith(OPTION)) {
      throw new TypeError(`option kconfig: ${name} is no option of the kernel, ${OPTION}…`);
    }
    // What the object does not ask for may stay, so that one configuration serves many objects.
    const kind = types.get(name)?.kind ?? "text";
    values.set(name, writeValue(name, kind, value));
  }
  return values;
}

/**
 * The text without indentation. Lines that would be passed over in a file are refused: they were
 * meant to say something.
 */
function checkedLines(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  for (const [index, line] of lines.entries()) {
    if (line === "" || line.startsWith("#") || line.startsWith(OPTION)) continue;
    throw new TypeError(
      `option kconfig: line ${index + 1} is no option of the kernel, ${OPTION}…: ${line.slice(0, 60)}`,
    );
  }
  return lines.join("\n");
}

function factBytes(
  { name, weak, size }: KconfigExtern,
  type: KconfigType,
  encoder: KconfigEncoder,
  sources: KconfigSources,
): Uint8Array {
  const value = name.startsWith(FACT) ? sources.fact(name) : undefined;
  if (value === undefined) {
    if (weak && name.startsWith(FACT)) return new Uint8Array(size);
    throw new BpfError(
      `load object: it asks for the configuration value ${name}, which is not known; names are ${OPTION}…, ` +
        "LINUX_KERNEL_VERSION, LINUX_HAS_BPF_COOKIE and LINUX_HAS_SYSCALL_WRAPPER",
      { code: "ERR_EXTERN" },
    );
  }
  const bytes = encoder.number(type, BigInt(value));
  if (bytes === undefined) {
    throw new BpfError(
      `load object: ${name} is ${value}, which does not fit the type that the object declares, ${type.text}`,
      { code: "ERR_EXTERN" },
    );
  }
  return bytes;
}
