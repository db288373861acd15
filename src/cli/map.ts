/**
 * `ebpf map`: the maps that the kernel holds.
 *
 * @module
 */

import type { Command } from "./command.ts";
import { subcommands } from "./subcommand.ts";

/** Lists maps, shows some, prints the elements of one, or reads and changes an element. */
export const map: Command = subcommands("map", {
  list: async () => (await import("./map-list.ts")).list,
  show: async () => (await import("./map-list.ts")).show,
  dump: async () => (await import("./map-dump.ts")).dump,
  get: async () => (await import("./map-element.ts")).get,
  set: async () => (await import("./map-element.ts")).set,
  delete: async () => (await import("./map-element.ts")).remove,
});
