/**
 * The file of what libbpf makes of the objects in fixtures/co-re, for each of the kernels there.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** By object and kernel, then by program. */
export interface Golden {
  /** The libbpf that was asked. */
  readonly libbpf: string;
  readonly pairs: readonly {
    readonly object: string;
    readonly kernel: string;
    /**
     * The relocated instructions in hexadecimal, by relocation; null where libbpf refuses the
     * program.
     */
    readonly programs: Readonly<Record<string, string | null>>;
  }[];
}

/** Families of fixtures: an object and the kernels that have its types. */
export const families: readonly {
  readonly objects: string;
  readonly kernels: readonly string[];
}[] = [
  { objects: "fields", kernels: ["fields.0", "fields.1", "fields.2", "fields.3", "fields.4"] },
  { objects: "subprograms", kernels: ["fields.0", "fields.1", "fields.2", "fields.3"] },
  {
    objects: "bitfields",
    kernels: ["bitfields.0", "bitfields.1", "bitfields.2", "bitfields.3", "bitfields.4"],
  },
  { objects: "types", kernels: ["types.0", "types.1", "types.2", "types.3", "types.4"] },
  { objects: "enums", kernels: ["enums.0", "enums.1", "enums.2", "enums.3"] },
  { objects: "guards", kernels: ["fields.0"] },
];

/** The path of a file in fixtures/co-re. */
export function fixture(name: string): string {
  return fileURLToPath(import.meta.resolve(`#fixtures/co-re/${name}`));
}

/** The file as it is committed. */
export function readGolden(): Golden {
  return JSON.parse(readFileSync(fixture("golden.json"), "utf8")) as Golden;
}
