/**
 * Links that exist already: opened by a pin or an id, and listed.
 *
 * @module
 */

import { BpfError, SyscallError } from "../src/error.ts";
import { shown } from "../src/options.ts";
import { linkGetFdById, linkGetNextId, objectGet } from "../src/sys/bpf.ts";
import { inBpfFileSystem, notThere } from "../src/sys/bpf-file-system.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { objectKind } from "../src/sys/fd-info.ts";
import { AttachType, LinkType } from "../src/uapi.ts";
import { type LinkInfo, linkInfo } from "./info.ts";
import { IteratorLink } from "./iterator.ts";
import { Link, type LinkKind } from "./link.ts";
import { StructOpsLink } from "./struct-ops.ts";
import { TRACING_KINDS } from "./tracing.ts";
import { MULTI_KINDS } from "./tracing-multi.ts";

/**
 * Opens a link by the path of its pin (Linux 5.7) or by its id (5.8, with CAP_SYS_ADMIN). It is held together with whoever holds it
 * already: closing this one detaches only when it was the last. An iterator is an `IteratorLink`, a function table a `StructOpsLink`.
 *
 * @throws SyscallError such as ENOENT when there is none, EACCES for a folder, EPERM without privileges; BpfError with code `ERR_NOT_A_LINK`
 * for the pin of a map or program, `ERR_NOT_BPFFS` for a path elsewhere; TypeError for what is neither path nor id.
 */
export function openLink(which: string | number): Link {
  const fd = openDescriptor(which);
  try {
    const info = linkInfo(fd);
    const name = typeof which === "number" ? `link ${which}` : `the link pinned at ${which}`;
    const description = `${whatOf(info)} (${name})`;
    const parts = { kind: kindOf(info), description, fd, isKernelLink: true } as const;
    if (parts.kind === "iter") return new IteratorLink(parts);
    return parts.kind === "struct_ops" ? new StructOpsLink(parts) : new Link(parts);
  } catch (error) {
    fd.close();
    throw error;
  }
}

/**
 * What the kernel says of each link there is, in the order of their ids; Linux 5.8, with CAP_SYS_ADMIN. Links that go meanwhile are left
 * out.
 *
 * @throws SyscallError such as EPERM without privileges.
 */
export function* listLinks(): Generator<LinkInfo, void, undefined> {
  for (let id = linkGetNextId(0); id !== undefined; id = linkGetNextId(id)) {
    let info: LinkInfo;
    try {
      using fd = linkGetFdById(id);
      info = linkInfo(fd);
    } catch (error) {
      if (error instanceof SyscallError && error.code === "ENOENT") continue;
      throw error;
    }
    yield info;
  }
}

function openPin(path: string): FileDescriptor {
  try {
    return objectGet(path);
  } catch (error) {
    if (error instanceof SyscallError && inBpfFileSystem(path) === false) {
      throw notThere(path, `open the pin ${path}`, error);
    }
    throw error;
  }
}

function openDescriptor(which: string | number): FileDescriptor {
  if (typeof which === "number") {
    if (Number.isInteger(which) && which >= 1 && which < 2 ** 32) return linkGetFdById(which);
    throw new TypeError(`cannot open a link: ${which} is not an id`);
  }
  if (typeof which !== "string" || which === "") {
    throw new TypeError(`cannot open a link: ${shown(which)} is neither a path nor an id`);
  }
  const fd = openPin(which);
  let kind: ReturnType<typeof objectKind>;
  try {
    // Information about a map or a program would be taken for that about a link.
    kind = objectKind(fd);
  } catch (error) {
    fd.close();
    throw error;
  }
  if (kind === undefined || kind === "link") return fd;
  fd.close();
  throw new BpfError(`cannot open the link pinned at ${which}: a ${kind} is pinned there`, {
    code: "ERR_NOT_A_LINK",
  });
}

function kindOf({ type, details }: LinkInfo): LinkKind {
  switch (details.kind) {
    case "tracing":
      return details.attachType === 0 ? "freplace" : (TRACING_KINDS[details.attachType] ?? "other");
    case "netns":
      return details.attachType === AttachType.SK_LOOKUP ? "sk_lookup" : "flow_dissector";
    case "sockmap":
      return details.attachType === AttachType.SK_MSG_VERDICT ? "sk_msg" : "sk_skb";
    case "kprobe.multi":
      return (details.flags & 1) === 0 ? "kprobe.multi" : "kretprobe.multi";
    case "uprobe.multi":
      return (details.flags & 1) === 0 ? "uprobe.multi" : "uretprobe.multi";
    case "tracing.multi":
      return MULTI_KINDS[details.attachType] ?? "other";
    case "other":
      return type === LinkType.PERF_EVENT ? "perf_event" : "other";
    default:
      return details.kind;
  }
}

/** A function table has no program of its own. */
function whatOf(info: LinkInfo): string {
  const { details, programId } = info;
  return details.kind === "struct_ops"
    ? `function table of map ${details.mapId}`
    : `program ${programId} to ${placeOf(info)}`;
}

function placeOf(info: LinkInfo): string {
  const { details } = info;
  const kind = kindOf(info);
  if ("name" in details) return `${kind} ${details.name}`;
  if ("interface" in details) return `${kind} of interface ${details.interface}`;
  if ("symbol" in details) return `${kind} ${details.symbol}`;
  if ("path" in details) return `${kind} ${details.path}`;
  if (details.kind === "cgroup") return `cgroup ${details.cgroupId}`;
  if (details.kind === "iter") return `iterator ${details.target}`;
  return kind;
}
