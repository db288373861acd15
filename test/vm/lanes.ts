/**
 * Several kernels: a command in a guest of each, a few at a time, and what they say with their names before it.
 *
 * @module
 */

import { type LaneResult, packProject, runLane } from "./lane.ts";
import type { Kernel } from "./matrix.ts";
import type { Options } from "./options.ts";

/** Runs `command`, or what it gives for a kernel, on all kernels; `hear` gets every line beside the standard output. */
export async function runLanes(
  command: string | ((kernel: Kernel) => string),
  options: Pick<Options, "kernels" | "shell" | "programs" | "update" | "seconds" | "jobs">,
  hear: (kernel: string, line: string) => void = () => {},
): Promise<LaneResult[]> {
  const project = packProject();
  const width = Math.max(...options.kernels.map(({ name }) => name.length));
  const isAlone = options.shell !== undefined && options.kernels.length === 1;
  const waiting = options.kernels.map((kernel, index) => ({ kernel, index }));
  const lanes: LaneResult[] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { name } = next.kernel;
      const prefix = isAlone ? "" : `${name.padEnd(width)} | `;
      const own = typeof command === "string" ? command : command(next.kernel);
      lanes[next.index] = await runLane(next.kernel, own, { ...options, project }, (line) => {
        process.stdout.write(`${prefix}${line}\n`);
        hear(name, line);
      });
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  return lanes;
}
