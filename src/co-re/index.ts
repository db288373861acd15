/**
 * CO-RE: adjusting a BPF object, compiled once, to the types of the kernel it shall run on.
 *
 * Follows libbpf wherever loaders differ: the patched instructions are the same bytes.
 *
 * @module
 */

export { CoreKind, coreKindName } from "./kind.ts";
export type { CoreQuestion } from "./local-access.ts";
export { type MinimalBtfObject, minimalBtf } from "./minimal.ts";
export { type Patch, POISON, patchInstruction } from "./patch.ts";
export {
  type CoreRelocation,
  computeRelocation,
  Narrowing,
  relocateProgram,
  relocationFailure,
} from "./relocate.ts";
export { type CoreOutcome, CoreResult, type TargetAnswer } from "./result.ts";
export { CoreTarget, type CoreTargetOptions, type ModuleBtf } from "./target.ts";
