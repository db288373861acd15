/**
 * BPF instructions: decode, encode, patch in place, print, and write programs in TypeScript.
 *
 * @module
 */

export * from "./build.ts";
export { Helper, type HelperName, helperName, helperSince } from "./helper.ts";
export {
  decode,
  decodeAll,
  encode,
  encodeAll,
  type Instruction,
  slotsOf,
} from "./instruction.ts";
export * from "./opcode.ts";
export { formatLine, type PrintedLine, type PrintNames, print, printAll } from "./print.ts";
export * from "./slot.ts";
export * from "./statement.ts";
export { programTag, type TagAlgorithm } from "./tag.ts";
