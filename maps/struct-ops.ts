/**
 * Function tables (struct_ops): structures of the kernel's whose functions are BPF programs.
 *
 * What stands in a table is laid out when an object is loaded; attaching it in a link is the business of `links/struct-ops.ts`.
 *
 * @module
 */

import { hostLittleEndian, viewOf } from "../src/bytes.ts";
import { BpfError, SyscallError } from "../src/error.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { MapAccess } from "../src/sys/map-access.ts";
import { MapFlags } from "../src/uapi.ts";
import { BpfMap } from "./map.ts";

/** `struct bpf_struct_ops_common_value` of include/linux/bpf.h: `refcount_t refcnt; enum bpf_struct_ops_state state`. */
const STATE = 4;
/** `enum bpf_struct_ops_state` of include/linux/bpf.h, in its order. */
const STATES = ["empty", "in use", "to be freed", "ready"] as const;

/** Whether the kernel uses a table: `ready` is one that waits for its link. */
export type StructOpsState = (typeof STATES)[number];

/**
 * A table of functions for the kernel (`BPF_MAP_TYPE_STRUCT_OPS`). Linux 5.6.
 *
 * A table of section `.struct_ops` is used from {@link register} on until {@link unregister}, also after this process ended. One of
 * `.struct_ops.link` (Linux 6.4) is used as long as a link of it lives.
 */
export class StructOpsMap extends BpfMap {
  #access: MapAccess | undefined;
  #value: Uint8Array | undefined;
  /** Descriptors whose numbers are in the value; they live as long as the collection. */
  #programs: readonly FileDescriptor[] = [];

  /** Whether it takes a link to use it. */
  get needsLink(): boolean {
    return (this.flags & MapFlags.LINK) !== 0;
  }

  /** What the kernel makes of the table. Throws SyscallError. */
  state(): StructOpsState {
    const access = this.#open();
    access.key.fill(0);
    access.lookup();
    const state = viewOf(access.value).getUint32(STATE, hostLittleEndian);
    return STATES[state] ?? "empty";
  }

  /** @internal The value to be registered, and where in it descriptors of programs go. */
  prepare(
    value: Uint8Array,
    functions: readonly { readonly offset: number; readonly fd: FileDescriptor }[],
  ): void {
    this.#value = new Uint8Array(value);
    const view = viewOf(this.#value);
    for (const { offset, fd } of functions) {
      view.setBigUint64(offset, BigInt(fd.number), hostLittleEndian);
    }
    this.#programs = functions.map(({ fd }) => fd);
  }

  /**
   * Hands the table to the kernel, for good: its programs can be changed no more. One without {@link needsLink} is used from now
   * on. Doing it again for one with a link does nothing.
   *
   * @throws SyscallError with code `EEXIST` when a table of that name is registered, `EBUSY` when this one is already or was,
   *   `EINVAL` when the kernel lacks a member that must be there; BpfError with code `ERR_STRUCT_OPS` when it was loaded elsewhere.
   */
  register(): void {
    if (this.#value === undefined) {
      throw new BpfError(
        `register the function table ${this.name}: what stands in it is known to the process that loaded it only`,
        { code: "ERR_STRUCT_OPS" },
      );
    }
    // Numbers of descriptors that were closed may be others' by now.
    for (const fd of this.#programs) void fd.number;
    const access = this.#open();
    access.key.fill(0);
    access.value.set(this.#value);
    try {
      access.update();
    } catch (error) {
      // As libbpf: a value that was set cannot have changed.
      if (this.needsLink && error instanceof SyscallError && error.code === "EBUSY") return;
      throw explain(error, this);
    }
  }

  /** @internal Registers it, and gives a handle of its own that can unregister it. */
  holdRegistration(): StructOpsMap {
    const held = new StructOpsMap(this.fd.duplicate(), this);
    try {
      this.register();
      return held;
    } catch (error) {
      held.close();
      throw error;
    }
  }

  /**
   * Has the kernel no longer use a table that was registered without a link; what uses it goes on to its end. False when it was
   * not in use.
   *
   * @throws SyscallError with code `ENOTSUPP` for a table with a link.
   */
  unregister(): boolean {
    if (this.state() !== "in use") return false;
    const access = this.#open();
    access.key.fill(0);
    return access.delete();
  }

  #open(): MapAccess {
    this.#access ??= new MapAccess(this.fd, this.keySize, this.valueSize);
    return this.#access;
  }
}

function explain(error: unknown, map: StructOpsMap): unknown {
  if (!(error instanceof SyscallError)) return error;
  const { code, errno, syscall, command } = error;
  const reasons: Readonly<Record<string, string>> = {
    EEXIST:
      "a table of the same name is registered, perhaps by a process that ended; unregister it, or take another name",
    EBUSY: "this table is registered, or was; load it anew",
    EINVAL:
      "the kernel does not take it: a member that must be there is missing, or a value makes no sense",
    EPERM: "it takes CAP_SYS_ADMIN, or CAP_BPF and what the kind of table asks for",
  };
  const reason = reasons[code];
  if (reason === undefined) return error;
  return new SyscallError(`register the function table ${map.name} (${reason})`, {
    errno,
    syscall,
    command,
    cause: error,
  });
}
