/**
 * Maps of sockets, which go in by descriptor and come out, where they do, by cookie.
 *
 * @module
 */

import type { Codec } from "../btf/index.ts";
import { hostLittleEndian, viewOf } from "../src/bytes.ts";
import { SyscallError } from "../src/error.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { ErasableMap } from "./erasable.ts";
import { type UpdateOptions, updateFlags } from "./keyed.ts";
import { BpfMap, type MapShape } from "./map.ts";
import { type DescriptorSource, descriptorNumber } from "./source.ts";
import type { Codecs } from "./types.ts";

/** Values that take a descriptor and give a cookie. */
class SocketTable<K> extends ErasableMap<K, bigint> {
  constructor(fd: FileDescriptor, shape: MapShape, keys: Pick<Codecs<K, unknown>, "key">) {
    const typed = {
      get key(): Codec<K> {
        return keys.key;
      },
      value: cookieCodec(shape.valueSize),
    };
    super(fd, shape, typed, shape.valueSize);
  }

  /** The keys that have a socket, or all of an array. */
  override *keys(): IterableIterator<K> {
    const { key } = this.codecs;
    for (const bytes of this.rawKeys()) yield key.decode(bytes, 0);
  }
}

/**
 * Sockets by key: `BPF_MAP_TYPE_SOCKMAP` (4.14) and `XSKMAP` (4.18) by index, `SOCKHASH` (4.18) by
 * keys of type `K`, `REUSEPORT_SOCKARRAY` (4.19) by index.
 *
 * A socket that ends leaves the map by itself. Node keeps the descriptors of its sockets to itself;
 * those of a server or socket are found as `_handle.fd`.
 */
export class SocketMap<K = number> extends BpfMap {
  readonly #table: SocketTable<K>;

  constructor(fd: FileDescriptor, shape: MapShape, codecs: Pick<Codecs<K, unknown>, "key">) {
    super(fd, shape);
    this.#table = new SocketTable(fd, shape, codecs);
  }

  /**
   * Stores a socket, by its descriptor.
   *
   * @throws SyscallError with code `EOPNOTSUPP` when the map does not take sockets of this kind or
   *   in this state, `EEXIST` and `ENOENT` by the flags.
   */
  set(key: K, socket: DescriptorSource, options?: UpdateOptions): void {
    if (options !== undefined) updateFlags("set", options);
    const number = descriptorNumber(socket, `put a socket into map ${this.name}`);
    this.#table.set(key, BigInt(number), options);
  }

  /** Lets go of the socket at `key`; false when there is none. */
  delete(key: K): boolean {
    try {
      return this.#table.delete(key);
    } catch (error) {
      // An empty slot of a socket array is EINVAL.
      if (error instanceof SyscallError && error.code === "EINVAL") return false;
      throw error;
    }
  }

  /**
   * The number that the kernel gave the socket at `key` (`SO_COOKIE`), undefined when there is none.
   *
   * @throws SyscallError with code `ENOSPC` when values of the map have 4 bytes, which hold no
   *   cookie, `EOPNOTSUPP` for AF_XDP sockets.
   */
  cookieOf(key: K): bigint | undefined {
    try {
      return this.#table.get(key);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "ENOSPC") throw error;
      const { errno, syscall, command } = error;
      throw new SyscallError(
        `read a socket's cookie from map ${this.name}: its values have 4 bytes; give it 8`,
        { errno, syscall, command, cause: error },
      );
    }
  }

  /** The keys that have a socket; all indexes of an array. */
  keys(): IterableIterator<K> {
    return this.#table.keys();
  }
}

/** A descriptor on the way in, a cookie on the way out, in 4 or 8 bytes. */
function cookieCodec(size: number): Codec<bigint> {
  return {
    size,
    typeName: "socket",
    decode(bytes, offset = 0) {
      const view = viewOf(bytes);
      return size < 8
        ? BigInt(view.getUint32(offset, hostLittleEndian))
        : view.getBigUint64(offset, hostLittleEndian);
    },
    encode(value, bytes, offset = 0) {
      const view = viewOf(bytes);
      if (size < 8) view.setUint32(offset, Number(value), hostLittleEndian);
      else view.setBigUint64(offset, value, hostLittleEndian);
    },
  };
}
