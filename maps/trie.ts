/**
 * Tries of prefixes, which find the longest that begins a key, such as the route of an address.
 *
 * @module
 */

import type { Codec } from "../btf/index.ts";
import { hostLittleEndian, viewOf } from "../src/bytes.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { ErasableMap } from "./erasable.ts";
import type { MapShape } from "./map.ts";
import { type Codecs, rawCodecs } from "./types.ts";

/** `prefixlen` of `struct bpf_lpm_trie_key_hdr`, before the data. */
const LENGTH_BYTES = 4;

/** The key of a trie that says nothing of its types. */
export interface Prefix {
  /** Bits of `data` that count, from the highest bit of the first byte on. */
  prefixLength: number;
  data: Uint8Array;
}

/**
 * A trie of prefixes (`BPF_MAP_TYPE_LPM_TRIE`) with keys of type `K`, a structure whose first member
 * is the length of the prefix in bits; {@link Prefix} where the object does not type it. Its flags
 * must have NO_PREALLOC. Linux 4.11; it can be listed since 4.16.
 *
 * `get` and `has` find the longest prefix in the trie that `key` begins with. `set` and `delete` are
 * of exactly the prefix that `key` is. While elements come and go, a walk may give the value of a
 * shorter prefix for one that was deleted in that moment.
 */
export class TrieMap<K = Prefix, V = unknown> extends ErasableMap<K, V> {
  #raw: TrieMap<Uint8Array, Uint8Array> | undefined;

  constructor(fd: FileDescriptor, shape: MapShape, codecs: Codecs<K, V>, valueBytes: number) {
    let key: Codec<K> | undefined;
    const checked = {
      get key(): Codec<K> {
        key ??= withinBounds(codecs.key, shape);
        return key;
      },
      get value(): Codec<V> {
        return codecs.value;
      },
    };
    super(fd, shape, checked, valueBytes);
  }

  /** The same map on bytes; it shares the descriptor, and closing either closes both. */
  get raw(): TrieMap<Uint8Array, Uint8Array> {
    this.#raw ??= new TrieMap(
      this.fd,
      this,
      rawCodecs(this.keySize, this.valueBytes),
      this.valueBytes,
    );
    return this.#raw;
  }
}

/** Length and data of a key of `size` bytes. */
export function prefixCodec(size: number): Codec<Prefix> {
  const dataSize = size - LENGTH_BYTES;
  return {
    size,
    typeName: `prefix of ${dataSize} bytes`,
    decode(bytes, offset = 0) {
      const prefixLength = viewOf(bytes).getUint32(offset, hostLittleEndian);
      return { prefixLength, data: bytes.slice(offset + LENGTH_BYTES, offset + size) };
    },
    encode(value, bytes, offset = 0) {
      const { prefixLength, data, ...others } = Object(value) as Prefix;
      const [unknown] = Object.keys(others);
      if (unknown !== undefined) throw new TypeError(`prefix.${unknown}: there is no such member`);
      if (!(data instanceof Uint8Array)) {
        throw new TypeError(`prefix.data: ${typeof data} is no Uint8Array`);
      }
      if (data.length !== dataSize) {
        throw new RangeError(`prefix.data: ${data.length} bytes instead of ${dataSize}`);
      }
      if (typeof prefixLength !== "number") {
        throw new TypeError(`prefix.prefixLength: ${typeof prefixLength} is no number`);
      }
      if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > dataSize * 8) {
        throw new RangeError(`prefix.prefixLength: ${prefixLength} is not 0 to ${dataSize * 8}`);
      }
      viewOf(bytes).setUint32(offset, prefixLength, hostLittleEndian);
      bytes.set(data, offset + LENGTH_BYTES);
    },
  };
}

/** A codec of keys that refuses prefixes which are longer than their data. */
function withinBounds<K>(codec: Codec<K>, { name, keySize }: MapShape): Codec<K> {
  const most = (keySize - LENGTH_BYTES) * 8;
  return {
    ...codec,
    encode(value, bytes, offset = 0) {
      codec.encode(value, bytes, offset);
      const length = viewOf(bytes).getUint32(offset, hostLittleEndian);
      if (length > most) {
        throw new RangeError(`map ${name}: a prefix of ${length} bits in a key that has ${most}`);
      }
    },
  };
}
