/**
 * Has a perf event (tracepoint, uprobe) run a program: through a link where the kernel makes links of perf events, else by
 * ioctl. Opening the event is the business of its hook.
 *
 * @module
 */

import { abandonAll } from "../src/close-all.ts";
import { UnsupportedError } from "../src/error.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { AttachType } from "../src/uapi.ts";
import type { AttachableProgram } from "./arguments.ts";
import { bpfPrivileges, explain, type Reasons } from "./explain.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { Link, type LinkKind, type Removal } from "./link.ts";

/** The attachment of one program to one event. */
export interface PerfAttachment {
  kind: LinkKind;
  /** Such as `tracepoint sched:sched_switch`. */
  target: string;
  /** What the program reads with `bpf_get_attach_cookie`; 0 is the same as none. */
  cookie: bigint;
  /** What errno values of the attachment mean at this hook. */
  reasons: Reasons;
  /** What else there is to remove once the event is closed. */
  afterClose?: Removal;
}

const REASONS: Reasons = {
  EPERM: bpfPrivileges,
  E2BIG: "as many programs as the kernel allows, 64, are attached to it",
  EEXIST: "the program is attached there already, which is possible once",
};

/**
 * Attaches `program` to `event`, which it takes over: on success the link owns it, on failure it is closed.
 *
 * @throws UnsupportedError when there is a cookie and the kernel makes no links of perf events; SyscallError.
 */
export function attachToEvent(
  program: AttachableProgram,
  event: FileDescriptor,
  attachment: PerfAttachment,
  kernel: KernelCalls = runningKernel,
): Link {
  const { kind, target, afterClose } = attachment;
  const common = afterClose === undefined ? { kind } : { kind, afterClose };
  const description = `${program.name} to ${target}`;
  try {
    const link = createLink(program, event, attachment, kernel);
    if (link !== undefined) {
      enableThenRelease(link, event, kernel);
      return new Link({ ...common, description, fd: link, isKernelLink: true });
    }
    if (attachment.cookie !== 0n) {
      throw new UnsupportedError(
        `cannot attach program ${description} with a cookie: this kernel makes no links of perf events`,
        { feature: "cookies of perf events", since: "5.15" },
      );
    }
    kernel.perfSetBpf(event, program.fd);
    kernel.perfEnable(event);
    return new Link({ ...common, description, fd: event, isKernelLink: false });
  } catch (error) {
    abandonAll([event, { close: () => afterClose?.now() }]);
    throw explain(error, `cannot attach program ${description}`, {
      ...REASONS,
      ...attachment.reasons,
    });
  }
}

/** Undefined when the kernel knows no such links: before Linux 5.15. */
function createLink(
  program: AttachableProgram,
  event: FileDescriptor,
  { target, cookie }: PerfAttachment,
  kernel: KernelCalls,
): FileDescriptor | undefined {
  const attachType = AttachType.PERF_EVENT;
  const what = `link to ${target}`;
  try {
    return kernel.linkCreate({ program: program.fd, target: event, attachType, cookie }, what);
  } catch (error) {
    // EINVAL is also what a kernel with these links says of a program that it does not want there.
    if (failedWith(error, "EINVAL") && !knowsEventLinks(program, kernel)) return undefined;
    throw error;
  }
}

/** A kernel that makes links of perf events looks at the event's descriptor, so it tells that -1 is none. */
function knowsEventLinks(program: AttachableProgram, kernel: KernelCalls): boolean {
  try {
    const attachType = AttachType.PERF_EVENT;
    kernel.linkCreate({ program: program.fd, target: -1, attachType }, "link to no event").close();
    return true;
  } catch (error) {
    return failedWith(error, "EBADF");
  }
}

function enableThenRelease(link: FileDescriptor, event: FileDescriptor, kernel: KernelCalls): void {
  try {
    kernel.perfEnable(event);
  } catch (error) {
    link.close();
    throw error;
  }
  // The link holds the event; with its descriptor gone, closing the link is what detaches.
  event.close();
}
