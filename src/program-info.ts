/**
 * What the kernel says of a program: `struct bpf_prog_info` of include/uapi/linux/bpf.h.
 *
 * Members that an old kernel does not know read as zero. Instructions are in `program-code.ts`.
 *
 * @module
 */

import { cstring, hostLittleEndian, toHex, viewOf } from "./bytes.ts";
import { objectInfo } from "./sys/bpf.ts";
import type { FileDescriptor } from "./sys/fd.ts";
import { descriptorInfo } from "./sys/fd-info.ts";

/** Byte offsets in `struct bpf_prog_info`. */
export const PROGRAM_INFO = {
  type: 0,
  id: 4,
  tag: 8,
  jited_prog_len: 16,
  xlated_prog_len: 20,
  jited_prog_insns: 24,
  xlated_prog_insns: 32,
  load_time: 40,
  created_by_uid: 48,
  nr_map_ids: 52,
  map_ids: 56,
  name: 64,
  ifindex: 80,
  /** The lowest bit of the 32 that follow `ifindex`. */
  gpl_compatible: 84,
  netns_dev: 88,
  netns_ino: 96,
  nr_jited_ksyms: 104,
  nr_jited_func_lens: 108,
  jited_ksyms: 112,
  jited_func_lens: 120,
  btf_id: 128,
  func_info_rec_size: 132,
  func_info: 136,
  nr_func_info: 144,
  nr_line_info: 148,
  line_info: 152,
  jited_line_info: 160,
  nr_jited_line_info: 168,
  line_info_rec_size: 172,
  jited_line_info_rec_size: 176,
  nr_prog_tags: 180,
  prog_tags: 184,
  run_time_ns: 192,
  run_cnt: 200,
  recursion_misses: 208,
  verified_insns: 216,
  attach_btf_obj_id: 220,
  attach_btf_id: 224,
} as const;
const SIZE = 232;
const TAG_BYTES = 8;
const NAME_BYTES = 16;
/** A program refers to 64 maps at most; more can be bound to it. */
const FIRST_MAPS = 64;

/** A program as the kernel knows it. */
export interface ProgramInfo {
  /** `ProgramType`. */
  readonly type: number;
  /** Number of the program while it exists. */
  readonly id: number;
  /** 16 hexadecimal digits of a digest of its instructions: SHA-1, SHA-256 since Linux 6.18. */
  readonly tag: string;
  /** At most 15 bytes of the name. Linux 4.15. */
  readonly name: string;
  /** Numbers of the maps that it uses. Linux 4.15. */
  readonly mapIds: readonly number[];
  /** When it was loaded, nanoseconds since the machine started. Linux 4.15. */
  readonly loadTime: bigint;
  /** The user who loaded it. Linux 4.15. */
  readonly uid: number;
  /** Whether its license lets it call all helpers. Linux 4.18. */
  readonly gplCompatible: boolean;
  /** Bytes of instructions as the verifier left them; 0 where the caller may not see them. */
  readonly translatedSize: number;
  /** Bytes of machine code; 0 without a compiler, and where the caller may not see it. */
  readonly compiledSize: number;
  /** Network interface that the program is bound to, 0 without one. Linux 4.16. */
  readonly interfaceIndex: number;
  /** Device and inode of the network namespace of that interface. Linux 4.16. */
  readonly namespaceDevice: bigint;
  readonly namespaceInode: bigint;
  /** Number of the BTF object with its types, 0 without. Linux 5.0. */
  readonly btfId: number;
  /** Functions in the program, the program itself among them, 0 before it was compiled. Linux 4.18. */
  readonly functionCount: number;
  /** Nanoseconds that it ran for while statistics were on (see `enableStatistics`). Linux 5.1. */
  readonly runTime: bigint;
  /** How often it ran while statistics were on. Linux 5.1. */
  readonly runCount: bigint;
  /** How often it did not run since it was running already. Linux 5.12. */
  readonly recursionMisses: bigint;
  /** Instructions that the verifier looked at. Linux 5.16. */
  readonly verifiedInstructions: number;
  /** Number of the BTF object, and of the type in it, that it is attached to; 0 for others. Linux 5.17. */
  readonly attachBtfObjectId: number;
  readonly attachBtfId: number;
  /** Bytes of memory that it takes; undefined where `/proc` does not say. */
  readonly memory: number | undefined;
}

/** Asks the kernel about a program, and `/proc` for what bpf(2) does not tell. Linux 4.13. Throws SyscallError. */
export function programInfo(program: FileDescriptor): ProgramInfo {
  const { view, bytes, maps } = askWithMaps(program);
  const word = (offset: number) => view.getUint32(offset, hostLittleEndian);
  const long = (offset: number) => view.getBigUint64(offset, hostLittleEndian);
  const memory = descriptorInfo(program).get("memlock");
  return {
    type: word(PROGRAM_INFO.type),
    id: word(PROGRAM_INFO.id),
    tag: toHex(bytes.subarray(PROGRAM_INFO.tag, PROGRAM_INFO.tag + TAG_BYTES)),
    name: cstring(bytes, PROGRAM_INFO.name, PROGRAM_INFO.name + NAME_BYTES),
    mapIds: maps,
    loadTime: long(PROGRAM_INFO.load_time),
    uid: word(PROGRAM_INFO.created_by_uid),
    gplCompatible: (word(PROGRAM_INFO.gpl_compatible) & (hostLittleEndian ? 1 : 0x8000_0000)) !== 0,
    translatedSize: word(PROGRAM_INFO.xlated_prog_len),
    compiledSize: word(PROGRAM_INFO.jited_prog_len),
    interfaceIndex: word(PROGRAM_INFO.ifindex),
    namespaceDevice: long(PROGRAM_INFO.netns_dev),
    namespaceInode: long(PROGRAM_INFO.netns_ino),
    btfId: word(PROGRAM_INFO.btf_id),
    functionCount: word(PROGRAM_INFO.nr_jited_func_lens),
    runTime: long(PROGRAM_INFO.run_time_ns),
    runCount: long(PROGRAM_INFO.run_cnt),
    recursionMisses: long(PROGRAM_INFO.recursion_misses),
    verifiedInstructions: word(PROGRAM_INFO.verified_insns),
    attachBtfObjectId: word(PROGRAM_INFO.attach_btf_obj_id),
    attachBtfId: word(PROGRAM_INFO.attach_btf_id),
    memory: memory === undefined ? undefined : Number(memory),
  };
}

/** The number of a program alone, for which `/proc` need not be read. Throws SyscallError. */
export function programId(program: FileDescriptor): number {
  return askProgram(program).view.getUint32(PROGRAM_INFO.id, hostLittleEndian);
}

/**
 * The structure itself, after a call that writes what `arrays` name: a member with a pointer, the count member and how many
 * elements there is room for.
 */
export function askProgram(
  program: FileDescriptor,
  arrays: readonly {
    pointer: keyof typeof PROGRAM_INFO;
    count: keyof typeof PROGRAM_INFO;
    /** Elements, or bytes where the count is one of bytes. */
    room: number;
    bytes: Uint8Array;
    /** A member that the kernel wants set with it. */
    recordSize?: [member: keyof typeof PROGRAM_INFO, bytes: number];
  }[] = [],
): { view: DataView; bytes: Uint8Array } {
  const bytes = new Uint8Array(SIZE);
  const view = viewOf(bytes);
  const pointers: Record<number, Uint8Array> = {};
  for (const { pointer, count, room, bytes: target, recordSize } of arrays) {
    view.setUint32(PROGRAM_INFO[count], room, hostLittleEndian);
    pointers[PROGRAM_INFO[pointer]] = target;
    if (recordSize !== undefined) {
      view.setUint32(PROGRAM_INFO[recordSize[0]], recordSize[1], hostLittleEndian);
    }
  }
  objectInfo(program, bytes, pointers);
  return { view, bytes };
}

function askWithMaps(program: FileDescriptor): {
  view: DataView;
  bytes: Uint8Array;
  maps: number[];
} {
  // Between two calls another process may bind one more map to the program.
  for (let room = FIRST_MAPS; ; room *= 2) {
    const ids = new Uint8Array(new ArrayBuffer(room * 4));
    const answer = askProgram(program, [
      { pointer: "map_ids", count: "nr_map_ids", room, bytes: ids },
    ]);
    const count = answer.view.getUint32(PROGRAM_INFO.nr_map_ids, hostLittleEndian);
    if (count > room && room < 0x10_0000) continue;
    const words = viewOf(ids);
    const maps = Array.from({ length: Math.min(count, room) }, (_, index) =>
      words.getUint32(index * 4, hostLittleEndian),
    );
    return { ...answer, maps };
  }
}
