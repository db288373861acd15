/**
 * `ebpf link`: the links that the kernel holds, by which programs are attached.
 *
 * @module
 */

import type { Command } from "./command.ts";
import { subcommands } from "./subcommand.ts";

/** Lists links, shows some, or detaches one. */
export const link: Command = subcommands("link", {
  list: async () => (await import("./link-list.ts")).list,
  show: async () => (await import("./link-list.ts")).show,
  detach: async () => (await import("./link-detach.ts")).detach,
});
