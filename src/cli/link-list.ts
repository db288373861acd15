/**
 * `ebpf link list` and `show`: what the kernel says of its links, in JSON under bpftool's names where
 * it has one.
 *
 * @module
 */

import { type LinkDetails, linkInfo } from "../../links/info.ts";
import { SyscallError } from "../error.ts";
import { programInfo } from "../program-info.ts";
import { type FileDescriptor, programGetFdById } from "../sys/bpf.ts";
import { AttachType, LinkType, nameOf } from "../uapi.ts";
import { type Command, readArguments } from "./command.ts";
import { type Holder, type Holders, holdersOf, holderText, pidsOf } from "./holders.ts";
import { readObjects, readSelector } from "./kernel-objects.ts";
import { LINKS } from "./object-kinds.ts";
import { printJson, printText, table } from "./output.ts";
import { paragraph } from "./show.ts";

/** A link as JSON has it; what its kind has besides follows. */
export interface LinkDescription {
  id: number;
  type: string;
  prog_id: number;
  /** The name of the program, as far as the kernel keeps it; ours, not bpftool's. */
  name: string;
  pids?: readonly Holder[];
  [member: string]: unknown;
}

/** All links, or those that are meant, as a table. */
export const list: Command = async (args) => run(args, (links) => tableOf(links));

/** All links, or those that are meant, with all that is known of each. */
export const show: Command = async (args) => {
  return run(args, (links) => {
    return links
      .map(({ id, name, pids, ...rest }) => {
        const members = { ...rest, program: name, held_by: holderText(pids) };
        return paragraph(`link ${id}`, members);
      })
      .join("\n");
  });
};

function run(args: readonly string[], text: (links: LinkDescription[]) => string): number {
  const { values, positionals } = readArguments(args, { json: { type: "boolean" } });
  const selector = readSelector(positionals, "link");
  const holders = holdersOf("link");
  const links = readObjects(LINKS, selector, (fd) => describeLink(fd, holders));
  if (values.json !== true) printText(text(links));
  else printJson(selector.by === "id" || selector.by === "pinned" ? links[0] : links);
  return 0;
}

/** What there is to say of a link. */
export function describeLink(fd: FileDescriptor, holders: Holders): LinkDescription {
  const { id, type, programId, details } = linkInfo(fd);
  return {
    id,
    type: nameOf(LinkType, type),
    prog_id: programId,
    name: programName(programId),
    ...detailsOf(details),
    ...pidsOf(holders, id),
  };
}

/** Names that bpftool has for members, by kind; others are the same in snake case. */
const NAMES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  raw_tracepoint: { name: "tp_name" },
  tracepoint: { name: "tracepoint" },
  kprobe: { symbol: "func", address: "addr" },
  kretprobe: { symbol: "func", address: "addr" },
  uprobe: { path: "file" },
  uretprobe: { path: "file" },
  tracing: { targetObjectId: "target_obj_id" },
  iter: { target: "target_name" },
  netns: { inode: "netns_ino" },
  xdp: { interface: "ifindex" },
  tcx: { interface: "ifindex" },
  netkit: { interface: "ifindex" },
  netfilter: { protocolFamily: "pf", priority: "prio" },
};

function detailsOf(details: LinkDetails): Record<string, unknown> {
  const { kind, ...members } = details;
  const names = NAMES[kind] ?? {};
  const described = Object.entries(members).map(([name, value]): [string, unknown] => {
    if (name === "attachType") return ["attach_type", nameOf(AttachType, Number(value))];
    const text = names[name] ?? name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return [text, value];
  });
  // Cookies and the like that are not set say nothing.
  const told = described.filter(([, value]) => value !== 0n && value !== undefined && value !== "");
  return kind === "other" ? Object.fromEntries(told) : { kind, ...Object.fromEntries(told) };
}

/** Empty for a link without a program, and for a program that may not be looked at. */
function programName(id: number): string {
  if (id === 0) return "";
  try {
    const fd = programGetFdById(id);
    try {
      return programInfo(fd).name;
    } finally {
      fd.close();
    }
  } catch (error) {
    if (error instanceof SyscallError) return "";
    throw error;
  }
}

function tableOf(links: readonly LinkDescription[]): string {
  const rows = links.map(({ id, type, prog_id, name, pids, kind, ...rest }) => {
    const details = Object.entries(rest).map(([member, value]) => `${member} ${String(value)}`);
    return [
      String(id),
      kind === undefined || kind === type ? type : `${type} (${String(kind)})`,
      name === "" ? String(prog_id) : `${prog_id} ${name}`,
      details.join(", "),
      holderText(pids),
    ];
  });
  return table(["ID", "TYPE", "PROGRAM", "ATTACHED TO", "HELD BY"], rows);
}
