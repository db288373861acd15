/**
 * How an object is loaded: the options, and what is said of wrong ones before anything is done.
 *
 * @module
 */

import { Btf } from "../btf/index.ts";
import { BpfMap } from "../maps/index.ts";
import type { KconfigOverrides } from "./externs/index.ts";
import { didYouMean, nearMatches } from "./near-matches.ts";
import { checkOptions } from "./options.ts";
import { Program } from "./program.ts";
import type { ObjectSpec } from "./spec/index.ts";
import { Token } from "./token.ts";

/** How to load an object. */
export interface LoadOptions {
  /** Types of the kernel to relocate against, for kernels that bring none. Default: those of the running kernel. */
  btf?: Btf;
  /**
   * How 64-bit integers of maps and variables are represented. Default `bigint`; `number` refuses what is no safe integer. The
   * types that TypeScript was told stay as they are: they have to say `number` then.
   */
  int64?: "bigint" | "number";
  /**
   * Values of the kernel's configuration (`__kconfig`) that come before those of the running kernel:
   * by name, or as lines of a `.config`. Default: only the kernel's own, from
   * `/boot/config-RELEASE` or `/proc/config.gz`.
   */
  kconfig?: KconfigOverrides;
  /** Ask the verifier for a log of successful loads too: 1 what it did, 2 in detail, 4 statistics. Default 0. */
  logLevel?: number;
  /**
   * Maps to use in place of those of the object, by the object's names: of another object, opened by
   * a pin, created by hand. They must be like those of the object in type, sizes and flags; they are
   * not filled with what the object says, and stay open when the collection is closed.
   */
  maps?: Readonly<Record<string, BpfMap>>;
  /**
   * Folder in a BPF file system for maps that are pinned by their names (`LIBBPF_PIN_BY_NAME`): what
   * is pinned there is used, what is not is created and pinned. Its last part is made where it is
   * missing. Default `/sys/fs/bpf`.
   */
  pinPath?: string;
  /**
   * Programs that programs of the object are attached to, by the names of the latter: those that replace a function of another
   * program (freplace), and fentry and fexit of functions in BPF. They must have been loaded with BTF.
   */
  targets?: Readonly<Record<string, Program>>;
  /**
   * The right to load, for a process in a user namespace: a {@link Token}, which stays open. Default: what libbpf finds, a token of the
   * BPF file system that the environment variable `LIBBPF_BPF_TOKEN_PATH` names (empty for none), else of `/sys/fs/bpf` where that
   * gives one; `false` for none. Linux 6.9.
   */
  token?: Token | false;
  /** Gives up before the next program, or when all are verified, if it was aborted by then: its reason is thrown. */
  signal?: AbortSignal;
}

const OPTIONS = [
  "btf",
  "int64",
  "kconfig",
  "logLevel",
  "maps",
  "pinPath",
  "signal",
  "targets",
  "token",
] as const;

/** @throws TypeError for options that no object, or not this one, can be loaded with. */
export function checkLoadOptions(options: LoadOptions, spec: ObjectSpec): void {
  checkOptions("load an object", options, OPTIONS);
  const { btf, int64, maps = {}, pinPath, signal, targets = {}, token } = options;
  if (btf !== undefined && !(btf instanceof Btf)) {
    throw new TypeError("load an object: btf is no Btf; Btf.parse(bytes) of ebpf/btf makes one");
  }
  if (int64 !== undefined && int64 !== "bigint" && int64 !== "number") {
    throw new TypeError(
      `load an object: int64 is ${JSON.stringify(int64)}, not "bigint" or "number"`,
    );
  }
  if (pinPath !== undefined && (typeof pinPath !== "string" || !/^[^\0]+$/.test(pinPath))) {
    throw new TypeError(`load an object: pinPath is ${JSON.stringify(pinPath)}, not a path`);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError("load an object: signal is no AbortSignal; pass controller.signal");
  }
  if (token !== undefined && token !== false && !(token instanceof Token)) {
    throw new TypeError(
      "load an object: token is no Token; openToken(path) makes one, and false is for none",
    );
  }
  for (const [name, map] of Object.entries(maps)) checkReplacement(name, map, spec);
  for (const [name, target] of Object.entries(targets)) checkTarget(name, target, spec);
}

function checkTarget(name: string, target: unknown, { programs }: ObjectSpec): void {
  if (!Object.hasOwn(programs, name)) {
    const names = Object.keys(programs);
    const hint = didYouMean(nearMatches(name, names)) || `; it has ${names.join(", ") || "none"}`;
    throw new TypeError(
      `load an object: targets names "${name}", but the object has no such program${hint}`,
    );
  }
  if (!programs[name]?.attachBtf) {
    throw new TypeError(
      `load an object: targets.${name} is given, but section ${programs[name]?.section} is not attached to functions`,
    );
  }
  if (!(target instanceof Program)) {
    throw new TypeError(`load an object: targets.${name} is no loaded program`);
  }
}

function checkReplacement(name: string, map: unknown, { maps }: ObjectSpec): void {
  if (!Object.hasOwn(maps, name)) {
    const names = Object.keys(maps);
    const hint = didYouMean(nearMatches(name, names)) || `; it has ${names.join(", ") || "none"}`;
    throw new TypeError(
      `load an object: maps names "${name}", but the object has no such map${hint}`,
    );
  }
  if (!(map instanceof BpfMap)) {
    throw new TypeError(
      `load an object: maps.${name} is no map in the kernel; openMap and createMap of ebpf/maps, and other collections, have such`,
    );
  }
}
