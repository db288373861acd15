/**
 * Queues and stacks: values without keys, in the order in which they were put in, or the reverse.
 *
 * @module
 */

import { SyscallError } from "../src/error.ts";
import { checkOptions } from "../src/options.ts";
import { UpdateFlags } from "../src/uapi.ts";
import { KeylessMap } from "./keyless.ts";
import { rawCodecs } from "./types.ts";

/** How a value is put in. */
export interface PushOptions {
  /** Whether a full map lets go of its oldest value to make room. Default false: it refuses. */
  replaceOldest?: boolean | undefined;
}

/** A queue (`BPF_MAP_TYPE_QUEUE`): the value that was put in first comes out first. Linux 4.20. */
export class QueueMap<V = unknown> extends KeylessMap<V> {
  #raw: QueueMap<Uint8Array> | undefined;

  /** The same map on bytes; it shares the descriptor, and closing either closes both. */
  get raw(): QueueMap<Uint8Array> {
    this.#raw ??= new QueueMap(this.fd, this, rawCodecs(0, this.valueSize));
    return this.#raw;
  }

  /**
   * Puts a value in.
   *
   * @throws SyscallError with code `E2BIG` when the map is full; RangeError or TypeError that names
   *   the field when the value does not fit its type.
   */
  push(value: V, options?: PushOptions): void {
    checkOptions("push", options, ["replaceOldest"]);
    const flags = options?.replaceOldest === true ? UpdateFlags.EXIST : UpdateFlags.ANY;
    const access = this.holding(value);
    try {
      access.update(flags);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "E2BIG") throw error;
      const { errno, syscall, command } = error;
      throw new SyscallError(
        `push a value to map ${this.name}: it is full, its max_entries are ${this.maxEntries}`,
        { errno, syscall, command, cause: error },
      );
    }
  }

  /** Takes out the value whose turn it is; undefined when there is none. */
  pop(): V | undefined {
    const { access, codec } = this;
    return access.lookupAndDelete() ? codec.decode(access.value, 0) : undefined;
  }

  /** The value whose turn it is, which stays in; undefined when there is none. */
  peek(): V | undefined {
    const { access, codec } = this;
    return access.lookup() ? codec.decode(access.value, 0) : undefined;
  }

  /**
   * Takes out what is in, at most as many values as the map has room for, so that it ends while
   * programs put in more.
   */
  drain(): V[] {
    const { access, codec } = this;
    const values: V[] = [];
    while (values.length < this.maxEntries && access.lookupAndDelete()) {
      values.push(codec.decode(access.value, 0));
    }
    return values;
  }
}

/** A stack (`BPF_MAP_TYPE_STACK`): the value that was put in last comes out first. Linux 4.20. */
export class StackMap<V = unknown> extends QueueMap<V> {}
