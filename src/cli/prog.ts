/**
 * `ebpf prog`: the programs that the kernel holds.
 *
 * @module
 */

import type { Command } from "./command.ts";
import { subcommands } from "./subcommand.ts";

/** Lists programs, shows some, or prints the instructions of one. */
export const prog: Command = subcommands("prog", {
  list: async () => (await import("./prog-list.ts")).list,
  show: async () => (await import("./prog-list.ts")).show,
  dump: async () => (await import("./prog-dump.ts")).dump,
});
