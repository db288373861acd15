/**
 * Several kernels: the same command in a guest of each, a few at a time, and what they say with their names before it.
 *
 * @module
 */

import { type LaneResult, packProject, runLane } from "./lane.ts";
import type { Options } from "./options.ts";

/** Runs `command` on all kernels; `hear` gets every line beside the standard output. */
export async function runLanes(
  command: string,
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
      lanes[next.index] = await runLane(next.kernel, command, { ...options, project }, (line) => {
        process.stdout.write(`${prefix}${line}\n`);
        hear(name, line);
      });
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  return lanes;
}
