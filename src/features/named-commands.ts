/**
 * Which commands bpf(2) has: each is given a descriptor that nobody has. A kernel without the
 * command complains of the command (EINVAL), one with it of the descriptor (EBADF).
 *
 * @module
 */

import {
  ITER_CREATE,
  LINK_CREATE,
  LINK_DETACH,
  LINK_UPDATE,
  MAP_BATCH,
  MAP_ELEM,
  PROG_BIND_MAP,
  PROG_STREAM_READ,
  TOKEN_CREATE,
} from "../sys/attr.ts";
import { EBADF, judge } from "./answer.ts";
import { NO_DESCRIPTOR, tryCommand } from "./attempt.ts";
import { type Feature, feature } from "./feature.ts";

const NO_PROGRAM = { prog_fd: NO_DESCRIPTOR, target_fd: NO_DESCRIPTOR } as const;

/** Commands of bpf(2). */
export const COMMANDS: {
  readonly map_freeze: Feature;
  readonly map_batches: Feature;
  readonly bpf_link: Feature;
  readonly link_update: Feature;
  readonly iterators: Feature;
  readonly link_detach: Feature;
  readonly program_bind_map: Feature;
  readonly tokens: Feature;
  readonly program_streams: Feature;
} = {
  map_freeze: feature("maps that user space cannot change any more", "5.2", () => {
    return judge(tryCommand("MAP_FREEZE", MAP_ELEM, { map_fd: NO_DESCRIPTOR }), [EBADF]);
  }),
  map_batches: feature("many elements of a map in one call", "5.6", () => {
    return judge(tryCommand("MAP_LOOKUP_BATCH", MAP_BATCH, { map_fd: NO_DESCRIPTOR }), [EBADF]);
  }),
  bpf_link: feature("attachments with a descriptor of their own", "5.7", () => {
    return judge(tryCommand("LINK_CREATE", LINK_CREATE, NO_PROGRAM), [EBADF]);
  }),
  link_update: feature("links whose program can be exchanged", "5.7", () => {
    const fields = { link_fd: NO_DESCRIPTOR, new_prog_fd: NO_DESCRIPTOR };
    return judge(tryCommand("LINK_UPDATE", LINK_UPDATE, fields), [EBADF]);
  }),
  iterators: feature("programs that list objects of the kernel", "5.8", () => {
    return judge(tryCommand("ITER_CREATE", ITER_CREATE, { link_fd: NO_DESCRIPTOR }), [EBADF]);
  }),
  link_detach: feature("links that others can detach", "5.9", () => {
    return judge(tryCommand("LINK_DETACH", LINK_DETACH, { link_fd: NO_DESCRIPTOR }), [EBADF]);
  }),
  program_bind_map: feature("programs that hold maps they do not mention", "5.10", () => {
    const fields = { prog_fd: NO_DESCRIPTOR, map_fd: NO_DESCRIPTOR };
    return judge(tryCommand("PROG_BIND_MAP", PROG_BIND_MAP, fields), [EBADF]);
  }),
  tokens: feature("tokens: rights that are passed on through a BPF file system", "6.9", () => {
    return judge(tryCommand("TOKEN_CREATE", TOKEN_CREATE, { bpffs_fd: NO_DESCRIPTOR }), [EBADF]);
  }),
  program_streams: feature("output streams of programs", "6.17", () => {
    const fields = { prog_fd: NO_DESCRIPTOR, stream_id: 1 };
    return judge(tryCommand("PROG_STREAM_READ_BY_FD", PROG_STREAM_READ, fields), [EBADF]);
  }),
};
