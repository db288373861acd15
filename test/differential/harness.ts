/**
 * Programs in C that ask libbpf: compiled with the static library of the system, or of another libbpf.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** A source file beside this one, and the functions of libbpf that it stands in for. */
export interface Harness {
  readonly source: "core.c" | "spec.c" | "verdict.c" | "probe.c";
  readonly wraps: readonly string[];
}

export const CORE: Harness = { source: "core.c", wraps: ["syscall"] };
export const SPEC: Harness = { source: "spec.c", wraps: [] };
export const VERDICT: Harness = {
  source: "verdict.c",
  wraps: ["btf__load_vmlinux_btf", "btf__free"],
};

export const PROBE: Harness = { source: "probe.c", wraps: ["bpf_prog_load"] };

/** Where libbpf is unless it is said. */
export const SYSTEM = "/usr";

/** The C sources stay where they are when this file is compiled to another folder. */
function sourcePath(name: string): string {
  const fixtures = import.meta.resolve("#fixtures/Makefile");
  return fileURLToPath(new URL(`../test/differential/${name}`, fixtures));
}

/**
 * Compiles one into `folder`, with the libbpf that is installed below `prefix`; returns the path of
 * the program.
 */
export function compile({ source, wraps }: Harness, folder: string, prefix: string): string {
  const archive = readdirSync(prefix)
    .filter((name) => name.startsWith("lib"))
    .map((name) => join(prefix, name))
    .flatMap((lib) => [lib, ...readdirSync(lib).map((name) => join(lib, name))])
    .map((name) => join(name, "libbpf.a"))
    .find((name) => existsSync(name));
  if (archive === undefined) throw new Error(`no libbpf.a below ${prefix}`);
  const output = join(folder, source.replace(/\.c$/, ""));
  const options = ["-O1", "-w", "-I", join(prefix, "include"), "-o", output];
  const wrapped = wraps.map((name) => `-Wl,--wrap=${name}`);
  execFileSync("cc", [...options, ...wrapped, sourcePath(source), archive, "-lelf", "-lz"]);
  return output;
}

/** The version of the libbpf in a program, such as `v1.7`. */
export function libbpfVersion(harness: string): string {
  return execFileSync(harness, ["version"], { encoding: "utf8" }).trim();
}
