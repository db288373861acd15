/**
 * `ebpf link detach`: takes a link from its hook, whoever holds it.
 *
 * @module
 */

import { linkInfo } from "../../links/info.ts";
import { SyscallError } from "../error.ts";
import { linkDetach } from "../sys/bpf.ts";
import { LinkType, nameOf } from "../uapi.ts";
import { type Command, CommandError, readArguments } from "./command.ts";
import { readOne, readSelector } from "./kernel-objects.ts";
import { LINKS } from "./object-kinds.ts";
import { printJson, say } from "./output.ts";

/** Detaches the one link that is meant. */
export const detach: Command = async (args) => {
  const { values, positionals } = readArguments(args, { json: { type: "boolean" } });
  const selector = readSelector(positionals, "link");
  if (selector.by === "name" || selector.by === "tag") {
    throw new CommandError("link detach takes a number or a path: links have no names");
  }
  const { id, type } = readOne(LINKS, selector, (fd) => {
    const info = linkInfo(fd);
    const kind = nameOf(LinkType, info.type);
    try {
      linkDetach(fd);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "EOPNOTSUPP") throw error;
      const { errno, syscall, command } = error;
      throw new SyscallError(
        `detach link ${info.id}: the kernel cannot take ${kind} links from their hook; they end with the last descriptor and pin (\`ebpf link show ${info.id}\` says who holds it)`,
        { errno, syscall, command, cause: error },
      );
    }
    return { id: info.id, type: kind, name: "" };
  });
  if (values.json === true) printJson({ id, type, detached: true });
  else say(`detached link ${id} (${type})`);
  return 0;
};
