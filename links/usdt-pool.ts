/**
 * The two maps through which programs with libbpf's `bpf/usdt.bpf.h` learn of arguments: `__bpf_usdt_specs`, and
 * `__bpf_usdt_ip_to_spec_id` where the kernel has no cookies. It keeps account of which elements are in use.
 *
 * @module
 */

import { hostLittleEndian, toHex, viewOf } from "../src/bytes.ts";
import { BpfError } from "../src/error.ts";
import type { ObjectMap } from "../src/program.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { MapAccess } from "../src/sys/map-access.ts";

/** Names of the maps in the object. */
export const SPECS = "__bpf_usdt_specs";
export const ADDRESSES = "__bpf_usdt_ip_to_spec_id";

interface Used {
  id: number;
  count: number;
}

const pools = new WeakMap<FileDescriptor, SpecPool>();

/** The pool of an object's maps, the same for all of its programs. */
export function poolOf(specs: ObjectMap, addresses: ObjectMap | undefined): SpecPool {
  let pool = pools.get(specs.fd);
  if (pool === undefined) {
    pool = new SpecPool(specs, addresses);
    pools.set(specs.fd, pool);
  }
  return pool;
}

/** Elements of the maps of one object, each in use as often as it was taken. */
export class SpecPool {
  readonly #specs: ObjectMap;
  readonly #addresses: ObjectMap | undefined;
  readonly #used = new Map<string, Used>();
  readonly #keys = new Map<number, string>();
  readonly #free: number[] = [];
  #next = 0;
  readonly #places = new Map<bigint, Used>();

  constructor(specs: ObjectMap, addresses: ObjectMap | undefined) {
    this.#specs = specs;
    this.#addresses = addresses;
  }

  /** The number of a spec; equal ones have one. @throws BpfError (`ERR_USDT`) when the map is full; SyscallError. */
  take(spec: Uint8Array): number {
    const key = toHex(spec);
    const used = this.#used.get(key);
    if (used !== undefined) {
      used.count++;
      return used.id;
    }
    const { maxEntries, fd } = this.#specs;
    if (this.#free.length === 0 && this.#next >= maxEntries) {
      throw new BpfError(
        `map ${SPECS} has room for the arguments of ${maxEntries} places, and all are taken; ` +
          "define BPF_USDT_MAX_SPEC_CNT before including bpf/usdt.bpf.h, or set maxEntries of the map's spec",
        { code: "ERR_USDT" },
      );
    }
    const id = this.#free.at(-1) ?? this.#next;
    const access = new MapAccess(fd, 4, spec.length);
    viewOf(access.key).setUint32(0, id, hostLittleEndian);
    access.value.set(spec);
    access.update();
    if (this.#free.length > 0) this.#free.pop();
    else this.#next++;
    this.#used.set(key, { id, count: 1 });
    this.#keys.set(id, key);
    return id;
  }

  /** Gives a number back. */
  release(id: number): void {
    const key = this.#keys.get(id);
    const used = key === undefined ? undefined : this.#used.get(key);
    if (key === undefined || used === undefined || --used.count > 0) return;
    this.#used.delete(key);
    this.#keys.delete(id);
    this.#free.push(id);
  }

  /**
   * Says which spec an instruction has, by its address in memory.
   *
   * @throws BpfError (`ERR_USDT`) when it has another one already, or the object has no such map; SyscallError such as E2BIG.
   */
  place(address: bigint, id: number): void {
    const used = this.#places.get(address);
    if (used !== undefined) {
      if (used.id !== id) {
        throw new BpfError(
          `the instruction at 0x${address.toString(16)} is attached to with other arguments or another cookie already; ` +
            "before Linux 5.15 an object tells them apart by the address alone",
          { code: "ERR_USDT" },
        );
      }
      used.count++;
      return;
    }
    const access = this.#addressAccess(address);
    viewOf(access.value).setUint32(0, id, hostLittleEndian);
    access.update();
    this.#places.set(address, { id, count: 1 });
  }

  /** Takes back what {@link SpecPool.place} said. */
  unplace(address: bigint): void {
    const used = this.#places.get(address);
    if (used === undefined || --used.count > 0) return;
    this.#places.delete(address);
    if (this.#addresses?.fd.closed === false) this.#addressAccess(address).delete();
  }

  #addressAccess(address: bigint): MapAccess {
    if (this.#addresses === undefined) {
      throw new BpfError(`the object has map ${SPECS}, but no map ${ADDRESSES}`, {
        code: "ERR_USDT",
      });
    }
    const access = new MapAccess(this.#addresses.fd, 8, 4);
    viewOf(access.key).setBigUint64(0, address, hostLittleEndian);
    return access;
  }
}
