/**
 * Objects of one program that no file is needed for.
 *
 * @module
 */

import { hostLittleEndian } from "../../src/bytes.ts";
import { CollectionSpec } from "../../src/collection.ts";
import type { ObjectSpec, ProgramSpec } from "../../src/spec/index.ts";
import { ProgramType } from "../../src/uapi.ts";

/**
 * An object with nothing but a program `main` of these instructions, a socket filter, as far as `change`
 * does not say otherwise of the program, and `object` of the object.
 */
export function objectOf(
  instructions: Uint8Array,
  change: Partial<ProgramSpec> = {},
  object: Partial<Omit<ObjectSpec, "programs">> = {},
): CollectionSpec {
  const main: ProgramSpec = {
    name: "main",
    section: "socket",
    type: ProgramType.SOCKET_FILTER,
    attachType: 0,
    attachTypeOptional: false,
    attachTo: "",
    attachBtf: false,
    flags: 0,
    autoload: true,
    instructions,
    functions: [],
    lines: [],
    coreRelocations: [],
    references: [],
    ...change,
  };
  return new CollectionSpec({
    byteOrder: hostLittleEndian ? "little" : "big",
    license: "GPL",
    kernelVersion: 0,
    btf: undefined,
    maps: {},
    variables: {},
    kconfig: [],
    ksyms: [],
    layout: { sections: {}, staticFunctions: [] },
    ...object,
    programs: { [main.name]: main },
  });
}
