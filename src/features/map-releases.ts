/**
 * The releases of Linux that map types and flags of map creation came with: for words and for tests, never to decide by.
 *
 * @module
 */

import { MapFlags, MapType } from "../uapi.ts";

/** The release that each map type (`MapType`) came with. */
export const MAP_TYPE_SINCE: Readonly<Record<number, string>> = {
  [MapType.HASH]: "3.19",
  [MapType.ARRAY]: "3.19",
  [MapType.PROG_ARRAY]: "4.2",
  [MapType.PERF_EVENT_ARRAY]: "4.3",
  [MapType.PERCPU_HASH]: "4.6",
  [MapType.PERCPU_ARRAY]: "4.6",
  [MapType.STACK_TRACE]: "4.6",
  [MapType.CGROUP_ARRAY]: "4.8",
  [MapType.LRU_HASH]: "4.10",
  [MapType.LRU_PERCPU_HASH]: "4.10",
  [MapType.LPM_TRIE]: "4.11",
  [MapType.ARRAY_OF_MAPS]: "4.12",
  [MapType.HASH_OF_MAPS]: "4.12",
  [MapType.DEVMAP]: "4.14",
  [MapType.SOCKMAP]: "4.14",
  [MapType.CPUMAP]: "4.15",
  [MapType.XSKMAP]: "4.18",
  [MapType.SOCKHASH]: "4.18",
  [MapType.CGROUP_STORAGE]: "4.19",
  [MapType.REUSEPORT_SOCKARRAY]: "4.19",
  [MapType.PERCPU_CGROUP_STORAGE]: "4.20",
  [MapType.QUEUE]: "4.20",
  [MapType.STACK]: "4.20",
  [MapType.SK_STORAGE]: "5.2",
  [MapType.DEVMAP_HASH]: "5.4",
  [MapType.STRUCT_OPS]: "5.6",
  [MapType.RINGBUF]: "5.8",
  [MapType.INODE_STORAGE]: "5.10",
  [MapType.TASK_STORAGE]: "5.11",
  [MapType.BLOOM_FILTER]: "5.16",
  [MapType.USER_RINGBUF]: "6.1",
  [MapType.CGRP_STORAGE]: "6.2",
  [MapType.ARENA]: "6.9",
  [MapType.INSN_ARRAY]: "6.19",
  [MapType.RHASH]: "7.2",
};

/** Likewise each flag of map creation (`MapFlags`), oldest first. */
export const MAP_FLAG_SINCE: ReadonlyMap<number, string> = new Map([
  [MapFlags.NO_PREALLOC, "4.6"],
  [MapFlags.NO_COMMON_LRU, "4.10"],
  [MapFlags.RDONLY, "4.15"],
  [MapFlags.WRONLY, "4.15"],
  [MapFlags.STACK_BUILD_ID, "4.17"],
  [MapFlags.ZERO_SEED, "5.0"],
  [MapFlags.RDONLY_PROG, "5.2"],
  [MapFlags.WRONLY_PROG, "5.2"],
  [MapFlags.CLONE, "5.4"],
  [MapFlags.MMAPABLE, "5.5"],
  [MapFlags.PRESERVE_ELEMS, "5.10"],
  [MapFlags.INNER_MAP, "5.10"],
  [MapFlags.LINK, "6.4"],
  [MapFlags.VTYPE_BTF_OBJ_FD, "6.9"],
  [MapFlags.TOKEN_FD, "6.9"],
  [MapFlags.SEGV_ON_FAULT, "6.9"],
  [MapFlags.NO_USER_CONV, "6.9"],
  [MapFlags.RB_OVERWRITE, "6.19"],
]);
