/**
 * Runs a script in a Node process of its own, for tests of what could end or crash the process.
 *
 * @module
 */

import { spawn } from "node:child_process";

/** How the process ended. */
export interface ChildResult {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs `script`, an ES module in which `sys(name)` imports a file of `src/sys`; kills it after `seconds`. */
export function runChild(
  script: string,
  options: {
    seconds?: number;
    flags?: readonly string[];
    env?: Readonly<Record<string, string>>;
    /** The URL below which `sys` finds files. */
    base?: string;
  } = {},
): Promise<ChildResult> {
  const base = options.base ?? new URL("../../src/sys/", import.meta.url).href;
  const source = `const sys = (name) => import(${JSON.stringify(base)} + name + ".js");\n${script}`;
  const flags = ["--input-type=module", "--enable-source-maps", ...(options.flags ?? [])];
  const child = spawn(process.execPath, [...flags, "-e", source], {
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), (options.seconds ?? 20) * 1000);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      resolve({ status, signal, stdout, stderr });
    });
  });
}

/** A script's beginning: a ring buffer `ring` (FileDescriptor) and `submit()`, which puts a record of 8 bytes into it. */
export const RING_PROLOGUE = `
const { mapCreate, programLoad, programTestRun } = await sys("bpf");
const { Mapping } = await sys("mapping");
const { Poller } = await sys("poller");
const makeRing = () => {
  const ring = mapCreate({ type: 27, keySize: 0, valueSize: 0, maxEntries: 4096 }, "map ring");
  // r1 = map; r2 = fp - 8; r3 = 8; r4 = 0; *(u64 *)(fp - 8) = 1; call bpf_ringbuf_output; exit
  const instructions = Uint8Array.from([
    0x7a, 0x0a, 0xf8, 0xff, 1, 0, 0, 0,
    0x18, 0x11, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0,
    0xbf, 0xa2, 0, 0, 0, 0, 0, 0,
    0x07, 0x02, 0, 0, 0xf8, 0xff, 0xff, 0xff,
    0xb7, 0x03, 0, 0, 8, 0, 0, 0,
    0xb7, 0x04, 0, 0, 0, 0, 0, 0,
    0x85, 0, 0, 0, 130, 0, 0, 0,
    0x95, 0, 0, 0, 0, 0, 0, 0,
  ]);
  new DataView(instructions.buffer).setInt32(12, ring.number, true);
  const { fd: program, log } = programLoad({ type: 1, license: "GPL", instructions }, { level: 1, size: 65536 });
  if (program === undefined) throw new Error(log);
  const submit = () => programTestRun(program, { data: new Uint8Array(14) });
  // Taking everything: the consumer's position becomes the producer's.
  const consumer = Mapping.map(ring, 4096, { writable: true });
  const producer = Mapping.map(ring, 4096 + 2 * 4096, { offset: 4096, writable: false });
  const drain = () => {
    new BigUint64Array(consumer.buffer)[0] = new BigUint64Array(producer.buffer)[0];
  };
  return { ring, submit, drain };
};
const { ring, submit, drain } = makeRing();
`;
