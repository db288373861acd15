/**
 * Targets of redirected packets: network interfaces (device maps) and CPUs (CPU maps). AF_XDP
 * sockets are in `sockets.ts`.
 *
 * @module
 */

import type { Codec } from "../btf/index.ts";
import { hostLittleEndian, viewOf } from "../src/bytes.ts";
import { shown } from "../src/options.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { indexCodec } from "./array.ts";
import { ErasableMap } from "./erasable.ts";
import type { MapShape } from "./map.ts";
import { type DescriptorSource, descriptorNumber } from "./source.ts";
import { rawCodec } from "./types.ts";

/** Members that values of both kinds share. */
interface WithProgram {
  /** A program that runs at the target; given to `set`. */
  program?: DescriptorSource | undefined;
  /** Number of that program; found by `get`. */
  programId?: number | undefined;
}

/** An interface to which packets go. */
export interface Device extends WithProgram {
  /** Number of the interface, as `ip link` shows it. */
  interfaceIndex: number;
}

/** A CPU's queue of packets. */
export interface CpuQueue extends WithProgram {
  /** Packets that it holds, at most 16384. */
  queueSize: number;
}

/**
 * Interfaces by index or number (`BPF_MAP_TYPE_DEVMAP`, Linux 4.14; `DEVMAP_HASH`, 5.4). A program
 * for an interface (attach type XDP_DEVMAP) takes values of 8 bytes, Linux 5.8.
 */
export class DeviceMap extends ErasableMap<number, Device> {
  #raw: RawTargets | undefined;

  constructor(fd: FileDescriptor, shape: MapShape) {
    const value = targetCodec<Device>("interfaceIndex", shape);
    super(fd, shape, { key: indexCodec, value }, shape.valueSize);
  }

  /** The same map with values as bytes; closing either closes both. */
  get raw(): RawTargets {
    this.#raw ??= new RawTargets(this.fd, this);
    return this.#raw;
  }
}

/**
 * Queues of packets by CPU (`BPF_MAP_TYPE_CPUMAP`). A program for a CPU (attach type XDP_CPUMAP) takes
 * values of 8 bytes, Linux 5.9. Linux 4.15.
 */
export class CpuMap extends ErasableMap<number, CpuQueue> {
  #raw: RawTargets | undefined;

  constructor(fd: FileDescriptor, shape: MapShape) {
    const value = targetCodec<CpuQueue>("queueSize", shape);
    super(fd, shape, { key: indexCodec, value }, shape.valueSize);
  }

  /** The same map with values as bytes; closing either closes both. */
  get raw(): RawTargets {
    this.#raw ??= new RawTargets(this.fd, this);
    return this.#raw;
  }
}

/** A device or CPU map with values as bytes. */
export class RawTargets extends ErasableMap<number, Uint8Array> {
  constructor(fd: FileDescriptor, shape: MapShape) {
    super(fd, shape, { key: indexCodec, value: rawCodec(shape.valueSize) }, shape.valueSize);
  }
}

/**
 * `struct bpf_devmap_val` and `struct bpf_cpumap_val` of include/uapi/linux/bpf.h: a number, and a
 * program by descriptor on the way in and by id on the way out.
 */
function targetCodec<T extends WithProgram>(
  member: Exclude<keyof T, keyof WithProgram> & string,
  { name, valueSize }: MapShape,
): Codec<T> {
  return {
    size: valueSize,
    typeName: "target",
    decode(bytes, offset = 0) {
      const view = viewOf(bytes);
      const target = { [member]: view.getUint32(offset, hostLittleEndian) } as unknown as T;
      const id = valueSize < 8 ? 0 : view.getUint32(offset + 4, hostLittleEndian);
      if (id !== 0) target.programId = id;
      return target;
    },
    encode(value, bytes, offset = 0) {
      const { [member]: number, program, programId, ...others } = Object(value);
      const [unknown] = Object.keys(others);
      if (unknown !== undefined) throw new TypeError(`${unknown}: there is no such member`);
      if (typeof number !== "number") {
        throw new TypeError(`${member} is ${shown(number)}, not a number`);
      }
      if (!Number.isInteger(number) || number < 0 || number > 0xffff_ffff) {
        throw new RangeError(`${member}: ${number} is not an unsigned 32-bit number`);
      }
      if (programId !== undefined && program === undefined) {
        throw new TypeError("programId: a program is stored by its handle; pass program");
      }
      if (program !== undefined && valueSize < 8) {
        throw new TypeError(
          `program: values of map ${name} have ${valueSize} bytes and no room for a program; ` +
            "give it values of 8 bytes",
        );
      }
      const fd = program === undefined ? 0 : descriptorNumber(program, `map ${name}: program`);
      const view = viewOf(bytes);
      view.setUint32(offset, number, hostLittleEndian);
      if (valueSize >= 8) view.setUint32(offset + 4, fd, hostLittleEndian);
    },
  };
}
