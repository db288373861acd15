/**
 * The places that programs are attached to which no section names: interfaces, cgroups, processes and so on, for a whole object.
 *
 * @module
 */

import type {
  Cgroup,
  Direction,
  Link,
  LwtOptions,
  NetfilterOptions,
  NetworkNamespace,
  SamplingOptions,
  SocketMapTarget,
  XdpMode,
} from "../links/index.ts";

/** A route of its own that programs of lightweight tunnels go on; see `lwt`. */
export interface AttachRoute extends LwtOptions {
  /** Destinations, such as `10.1.0.0/16`. */
  to: string;
}

/** Places that no section names. Programs that need one that is not given are skipped; one that no program takes is a TypeError. */
export interface AttachPlaces {
  /** The network interface, by name or number, of XDP, tc, tcx and netkit programs. */
  interface?: string | number;
  /** Mode of XDP programs; see `xdp`. */
  xdpMode?: XdpMode;
  /** Which packets programs of sections `tc`, `classifier` and `cgroup/skb` see, which leave that open. */
  direction?: Direction;
  /** The cgroup, by path or descriptor, of cgroup, sockops and lsm_cgroup programs, and where `iter/cgroup` begins. */
  cgroup?: Cgroup;
  /** The network namespace of sk_lookup and flow_dissector programs, and of iterators of sockets; see `skLookup`. */
  namespace?: NetworkNamespace | string | number;
  /** The hook of netfilter programs. */
  netfilter?: NetfilterOptions;
  /** The only process that uprobe, USDT and perf_event programs run for, and that iterators of tasks walk. Default: all. */
  pid?: number;
  /** How often, and at which counter, perf_event programs run; `{}` is 99 times a second. */
  sampling?: SamplingOptions;
  /** The map that sk_skb and sk_msg programs go to, and whose elements `iter/bpf_map_elem` and its kin walk. */
  map?: SocketMapTarget;
  /** The receiver of a remote control, such as `/dev/lirc0`, of lirc_mode2 programs. */
  receiver?: string;
  /** The route of lwt_in, lwt_out, lwt_xmit and lwt_seg6local programs. */
  route?: AttachRoute;
}

/** Names of {@link AttachPlaces}. */
export const PLACE_NAMES: readonly (keyof AttachPlaces)[] = [
  "interface",
  "xdpMode",
  "direction",
  "cgroup",
  "namespace",
  "netfilter",
  "pid",
  "sampling",
  "map",
  "receiver",
  "route",
];

/** Why a program is not attached, and the place that would help. */
export interface Unattached {
  readonly reason: string;
  readonly place?: keyof AttachPlaces;
}

/** A link, or the reason why there is none to make. */
export type Attached = Link | Unattached;
