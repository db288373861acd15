/**
 * Numbers of the messages that make, list and remove routes with programs. Data only.
 *
 * @module
 */

import { ProgramType } from "../src/uapi.ts";

/** include/uapi/linux/rtnetlink.h. */
export const NEW_ROUTE = 24;
export const DELETE_ROUTE = 25;
export const GET_ROUTE = 26;
export const RTA = {
  dst: 1,
  oif: 4,
  gateway: 5,
  priority: 6,
  multipath: 9,
  table: 15,
  encapType: 21,
  encap: 22,
} as const;
/** `struct rtmsg`: its size, where `rtm_flags` are, and the families `AF_INET` and `AF_INET6`. */
export const RTMSG = { size: 12, flags: 8, inet: 2, inet6: 10 } as const;
/** `RTM_F_CLONED`: what the kernel learned of one destination, and no route that somebody made. */
export const CLONED = 0x200;
/** `struct rtnexthop`, whose length includes the attributes behind it. */
export const NEXT_HOP_SIZE = 8;
/** `LWTUNNEL_ENCAP_BPF`, `LWTUNNEL_ENCAP_SEG6_LOCAL` of include/uapi/linux/lwtunnel.h. */
export const ENCAP_BPF = 6;
export const ENCAP_SEG6_LOCAL = 7;
/** `LWT_BPF_*`: the hook of each type of programs. */
export const HOOKS: Readonly<Record<number, number>> = {
  [ProgramType.LWT_IN]: 1,
  [ProgramType.LWT_OUT]: 2,
  [ProgramType.LWT_XMIT]: 3,
};
/** `SEG6_LOCAL_*` of include/uapi/linux/seg6_local.h. */
export const SEG6_LOCAL = { action: 1, bpf: 8, endBpf: 15 } as const;
/** `LWT_BPF_PROG_FD`, `SEG6_LOCAL_BPF_PROG`; and the names. */
export const PROGRAM_FD = 1;
export const PROGRAM_NAME = 2;
