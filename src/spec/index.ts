/**
 * What a BPF object says, as plain data.
 *
 * @module
 */

export { parseObject } from "./parse.ts";
export { type SectionMeaning, sectionMeaning, sectionNames } from "./sections.ts";
export { StructOpsSpec } from "./struct-ops.ts";
export type {
  DataLayout,
  KconfigExtern,
  KsymExtern,
  MapSpec,
  ObjectSpec,
  ProgramCoreRelocation,
  ProgramFunction,
  ProgramLine,
  ProgramSpec,
  Reference,
} from "./types.ts";
export { VariableSpec } from "./variable.ts";
