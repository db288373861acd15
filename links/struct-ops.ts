/**
 * Attaches function tables (struct_ops), with a link where the table is made for one, else by registering it.
 *
 * @module
 */

import { StructOpsMap } from "../maps/struct-ops.ts";
import { UnsupportedError } from "../src/error.ts";
import { linkUpdate } from "../src/sys/bpf.ts";
import { AttachType } from "../src/uapi.ts";
import type { AttachableProgram } from "./arguments.ts";
import { explain, type Reasons } from "./explain.ts";
import { type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { Link } from "./link.ts";

const REASONS: Reasons = {
  EEXIST: "a table of the same name is registered; unregister it, or take another name",
  EBUSY: "the table is in another link, or what it would take the place of is in use",
  EINVAL:
    "the table was not registered, or is not for a link, or cannot take the place of the other",
};

/** A function table that the kernel uses until the link is closed. */
export class StructOpsLink extends Link {
  /** A link of a function table has no program: {@link StructOpsLink.replace} puts another table there. @throws UnsupportedError. */
  override update(program: AttachableProgram): never {
    throw new UnsupportedError(
      `cannot update ${this.description} to program ${program?.name}: it takes a function table, by replace(map)`,
      { feature: "programs in links of function tables" },
    );
  }

  /**
   * Puts another table of the same kind and name in the place of this one, without a gap. Linux 6.4.
   *
   * @throws UnsupportedError for tables that are registered without a link; SyscallError such as EINVAL when the kernel's kind of
   * table cannot be replaced; TypeError for what is no function table, or one without a link; BpfError with code `ERR_CLOSED`
   * after close.
   */
  replace(map: StructOpsMap): void {
    requireTable(map, `replace ${this.description} by`);
    void this.fd.number;
    if (!this.isKernelLink) {
      throw new UnsupportedError(
        `cannot replace ${this.description}: it is registered without a link; declare it in section .struct_ops.link`,
        { feature: "links of function tables", since: "6.4" },
      );
    }
    if (!map.needsLink) {
      throw new TypeError(
        `cannot replace ${this.description} by ${map.name}: that is registered without a link; declare it in section .struct_ops.link`,
      );
    }
    map.register();
    try {
      linkUpdate(this.fd, { replacement: map.fd });
    } catch (error) {
      throw explain(error, `cannot replace ${this.description} by ${map.name}`, REASONS);
    }
  }
}

/**
 * Has the kernel use a function table of a loaded object, until the link is closed. Linux 5.6; tables of section `.struct_ops.link`
 * 6.4. A table of section `.struct_ops` stays in use when the process ends without closing.
 *
 * @throws SyscallError with code `EEXIST` when one of that name is in use, `EINVAL` when the kernel does not take it; TypeError
 * for what is no function table.
 */
export function structOps(map: StructOpsMap, kernel: KernelCalls = runningKernel): StructOpsLink {
  requireTable(map, "attach");
  const description = `function table ${map.name}`;
  const parts = { kind: "struct_ops", description } as const;
  if (!map.needsLink) {
    // The collection may close its own descriptor of the map before the link is closed.
    const held = map.holdRegistration();
    const manual = { detach: () => void held.unregister() };
    return new StructOpsLink({ ...parts, fd: held.fd, isKernelLink: false, manual });
  }
  map.register();
  try {
    const fd = kernel.linkCreate(
      { program: map.fd, attachType: AttachType.STRUCT_OPS },
      `link of ${description}`,
    );
    return new StructOpsLink({ ...parts, fd, isKernelLink: true });
  } catch (error) {
    throw explain(error, `cannot attach ${description}`, REASONS);
  }
}

function requireTable(map: unknown, doing: string): asserts map is StructOpsMap {
  if (map instanceof StructOpsMap) return;
  throw new TypeError(
    `cannot ${doing} what is no function table; bpf.maps of a loaded object has them`,
  );
}
