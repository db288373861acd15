/**
 * Type information: reading BTF and .BTF.ext, computing with types, and writing BTF. Knows nothing
 * of ELF or the kernel.
 *
 * @module
 */

export { Btf, type BtfOptions } from "./btf.ts";
export {
  bytesCodec,
  type Codec,
  type CodecOptions,
  codecOf,
} from "./codec.ts";
export { enumName } from "./codec-enum.ts";
export { BtfBuilder, type BtfBuilderOptions, type NewType } from "./encode.ts";
export {
  type BtfExt,
  type CoreRecord,
  type ExtSection,
  type FunctionInfo,
  parseBtfExt,
} from "./ext.ts";
export type { LineInfo, LineSection } from "./ext-lines.ts";
export { type BtfEdits, forKernel, type VariablePlace } from "./for-kernel.ts";
export { FunctionLinkage, Kind, kindName, VariableLinkage } from "./kind.ts";
export { essentialName } from "./names.ts";
export { declaration, typeName } from "./print.ts";
export { type RawType, rawText, rawType } from "./raw.ts";
export { reachable, references } from "./reach.ts";
export { relocateBtf } from "./relocate.ts";
export type { BtfFeatures } from "./sanitise.ts";
export { alignOf, resolve, sizeOf } from "./size.ts";
export { type BtfSelection, subset } from "./subset.ts";
export type * from "./type.ts";
