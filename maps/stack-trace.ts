/**
 * Stack traces that programs stored, by the number that they gave them.
 *
 * @module
 */

import { hostLittleEndian, viewOf } from "../src/bytes.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { MapFlags } from "../src/uapi.ts";
import { indexCodec } from "./array.ts";
import { ErasableMap } from "./erasable.ts";
import { BpfMap, type MapShape } from "./map.ts";
import { rawCodec } from "./types.ts";

/** A frame of user space as a place in a file (`struct bpf_stack_build_id`). */
export type BuildIdFrame =
  /** `offset` bytes into the file with this build id, 20 bytes. */
  | { buildId: Uint8Array; offset: bigint }
  /** An address in the process, where the file is not known. */
  | { address: bigint };

const ADDRESS = 8;
/** Size of `struct bpf_stack_build_id`, and its members `status`, `build_id`, `offset` or `ip`. */
const RECORD = { size: 32, buildId: 4, offset: 24 } as const;
/** `enum { BPF_STACK_BUILD_ID_EMPTY, _VALID, _IP }`. */
const Status = { EMPTY: 0, VALID: 1 } as const;

/** Traces as bytes. */
class TraceTable extends ErasableMap<number, Uint8Array> {
  override *keys(): IterableIterator<number> {
    for (const bytes of this.rawKeys()) yield indexCodec.decode(bytes, 0);
  }
}

/** Stack traces (`BPF_MAP_TYPE_STACK_TRACE`), stored by programs only. Linux 4.6. */
export class StackTraceMap extends BpfMap {
  readonly #table: TraceTable;

  constructor(fd: FileDescriptor, shape: MapShape) {
    super(fd, shape);
    const codecs = { key: indexCodec, value: rawCodec(shape.valueSize) };
    this.#table = new TraceTable(fd, shape, codecs, shape.valueSize);
  }

  /** Whether frames are build ids and offsets, to be read by {@link getBuildIds}. Linux 4.17. */
  get hasBuildIds(): boolean {
    return (this.flags & MapFlags.STACK_BUILD_ID) !== 0;
  }

  /**
   * The addresses of a trace, the innermost first; undefined when there is no trace `id`. Throws
   * TypeError when the map has build ids.
   */
  get(id: number): bigint[] | undefined {
    if (this.hasBuildIds) {
      throw new TypeError(`map ${this.name}: its frames are build ids, which getBuildIds reads`);
    }
    const bytes = this.#table.get(id);
    if (bytes === undefined) return undefined;
    const view = viewOf(bytes);
    const frames: bigint[] = [];
    // A trace that is shorter than the value ends with zeros.
    for (let at = 0; at + ADDRESS <= bytes.length; at += ADDRESS) {
      const address = view.getBigUint64(at, hostLittleEndian);
      if (address === 0n) break;
      frames.push(address);
    }
    return frames;
  }

  /** As {@link get}, of a map that was created with the flag STACK_BUILD_ID. Linux 4.17. */
  getBuildIds(id: number): BuildIdFrame[] | undefined {
    if (!this.hasBuildIds) {
      throw new TypeError(`map ${this.name}: its frames are addresses, which get reads`);
    }
    const bytes = this.#table.get(id);
    return bytes === undefined ? undefined : buildIdFrames(bytes);
  }

  /** Whether there is a trace `id`. */
  has(id: number): boolean {
    return this.#table.has(id);
  }

  /** Removes a trace; false when there is none. */
  delete(id: number): boolean {
    return this.#table.delete(id);
  }

  /** Numbers of all traces. */
  keys(): IterableIterator<number> {
    return this.#table.keys();
  }

  /** Numbers and frames of all traces. */
  *entries(): IterableIterator<[number, bigint[] | BuildIdFrame[]]> {
    for (const id of this.keys()) {
      const frames = this.hasBuildIds ? this.getBuildIds(id) : this.get(id);
      if (frames !== undefined) yield [id, frames];
    }
  }

  /** Removes all traces. */
  clear(): void {
    this.#table.clear();
  }
}

/** The records of a trace by build ids, up to the first empty one. */
export function buildIdFrames(bytes: Uint8Array): BuildIdFrame[] {
  const view = viewOf(bytes);
  const frames: BuildIdFrame[] = [];
  for (let at = 0; at + RECORD.size <= bytes.length; at += RECORD.size) {
    const status = view.getInt32(at, hostLittleEndian);
    if (status === Status.EMPTY) break;
    const place = view.getBigUint64(at + RECORD.offset, hostLittleEndian);
    frames.push(
      status === Status.VALID
        ? { buildId: bytes.slice(at + RECORD.buildId, at + RECORD.offset), offset: place }
        : { address: place },
    );
  }
  return frames;
}
