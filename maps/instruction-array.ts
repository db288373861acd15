/**
 * Instruction arrays, which follow instructions of a program through the verifier and the JIT
 * compiler. Linux 6.19.
 *
 * @module
 */

import type { Codec } from "../btf/index.ts";
import { hostLittleEndian, viewOf } from "../src/bytes.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { indexCodec } from "./array.ts";
import { KeyedMap } from "./keyed.ts";
import type { MapShape } from "./map.ts";

/** One instruction (`struct bpf_insn_array_value`). */
export interface InstructionPlace {
  /** Slot in the program as it is loaded; what `set` stores. */
  original: number;
  /** Slot after the verifier's rewriting, 0xffffffff when it was removed; 0 before loading. */
  translated?: number | undefined;
  /** Offset in the machine code in bytes; 0 before loading. */
  compiled?: number | undefined;
}

/** Bytes of `struct bpf_insn_array_value`. */
const VALUE_SIZE = 16;

const placeCodec: Codec<InstructionPlace> = {
  size: VALUE_SIZE,
  typeName: "struct bpf_insn_array_value",
  decode(bytes, offset = 0) {
    const view = viewOf(bytes);
    const word = (at: number) => view.getUint32(offset + at, hostLittleEndian);
    return { original: word(0), translated: word(4), compiled: word(8) };
  },
  encode({ original }, bytes, offset = 0) {
    if (!Number.isInteger(original) || original < 0 || original > 0xffff_ffff) {
      throw new RangeError(`original: ${original} is not the number of an instruction`);
    }
    bytes.fill(0, offset, offset + VALUE_SIZE);
    viewOf(bytes).setUint32(offset, original, hostLittleEndian);
  },
};

/**
 * An instruction array (`BPF_MAP_TYPE_INSN_ARRAY`): set, freeze, load one program with it, then
 * read where its instructions went.
 */
export class InstructionArray extends KeyedMap<number, InstructionPlace> {
  constructor(fd: FileDescriptor, shape: MapShape) {
    super(fd, shape, { key: indexCodec, value: placeCodec }, shape.valueSize);
  }

  /** Number of elements. */
  get size(): number {
    return this.maxEntries;
  }
}
