/**
 * `node dist/test/soak/run.js [GIBIBYTES]`: so much through one ring, 12 GiB by default. Takes root.
 *
 * @module
 */

import { soakRing } from "./ring.ts";

const GIBIBYTE = 2 ** 30;

const gibibytes = Number(process.argv[2] ?? 12);
if (!(gibibytes > 0)) throw new RangeError(`${process.argv[2]} is no number of gibibytes`);
const { records, bytes, milliseconds } = await soakRing(gibibytes);
const [size, rate] = [bytes, (bytes / milliseconds) * 1000].map((value) =>
  (value / GIBIBYTE).toFixed(2),
);
process.stdout.write(
  `${records} records, ${size} GiB, each once, whole and in order, at ${rate} GiB/s\n`,
);
