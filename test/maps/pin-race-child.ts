/**
 * A process that wants a map pinned by its name, and tells what it got:
 * `node pin-race-child.js FOLDER`. Says `ready`, then answers each {@link Request}.
 *
 * @module
 */

import { createMap } from "../../maps/index.ts";
import { openOrPin } from "../../maps/pinned.ts";
import type { BpfError } from "../../src/error.ts";
import { mapSpec } from "./specs.ts";

/** What it is asked for. */
export interface Request {
  name: string;
  valueSize: number;
  /** When to begin, in milliseconds of the clock that all processes have: all begin at once. */
  at: number;
}

/** What it got: the map's id, or the code of an error. */
export interface Answer {
  id: number | undefined;
  created: boolean;
  code: string | undefined;
  /** Ids of all maps that it made, also those that lost. */
  made: number[];
}

const [folder = ""] = process.argv.slice(2);

process.on("message", ({ name, valueSize, at }: Request) => {
  const spec = mapSpec({ name, valueSize });
  const answer: Answer = { id: undefined, created: false, code: undefined, made: [] };
  while (Number(process.hrtime.bigint() / 1_000_000n) < at);
  try {
    const { map, created } = openOrPin(spec, folder, {}, () => {
      const made = createMap(spec);
      answer.made.push(made.id);
      return made;
    });
    answer.id = map.id;
    answer.created = created;
    map.close();
  } catch (error) {
    answer.code = (error as BpfError).code ?? String(error);
  }
  process.send?.(answer);
});
process.on("disconnect", () => process.exit());
process.send?.("ready");
