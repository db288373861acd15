// Shows every program that is started on this machine, and how it ended: `npm run demo`.
//
// As root on Linux the object is loaded and attached, and its events are printed as they come. Elsewhere the same object is
// relocated against the types of several kernels, which needs neither Linux nor privileges.

import { fileURLToPath } from "node:url";
import { BpfError, type Collection, CollectionSpec } from "ebpf";
import type { RingBuffer } from "ebpf/maps";
import { startSomeProcesses } from "./activity.ts";
import { type ExecEvent, header, line } from "./columns.ts";
import { printOfflineReport } from "./offline.ts";

/** What TypeScript should know of the object; the values themselves are decoded by the object's own types. */
interface Execsnoop {
  programs: { on_exec: unknown; on_exit: unknown };
  maps: { events: RingBuffer<ExecEvent> };
  variables: { min_duration_ns: bigint; dropped: bigint };
}

const SECONDS = 5;

async function watch(bpf: Collection<Execsnoop>): Promise<void> {
  const ending = new AbortController();
  const { signal } = ending;
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => ending.abort());
  const timer = setTimeout(() => ending.abort(), SECONDS * 1000);

  await using _links = bpf.attach();
  console.log(
    `programs started in the next ${SECONDS} seconds, and how they end (Ctrl-C ends earlier)\n${header()}`,
  );
  startSomeProcesses(signal);
  let events = 0;
  for await (const event of bpf.maps.events.records({ signal })) {
    events++;
    console.log(line(event));
  }
  clearTimeout(timer);
  console.log(`${events} events, ${bpf.variables.dropped.get()} dropped`);
}

// A reader that goes away, such as `| head`, is no error.
process.stdout.on("error", () => process.exit());

const object = fileURLToPath(import.meta.resolve("#examples/execsnoop/execsnoop.bpf.o"));
const spec = CollectionSpec.fromFile<Execsnoop>(object);
spec.variables.min_duration_ns.set(0n); // a constant for the program: the verifier drops the branches it rules out
try {
  await using bpf = await spec.load();
  await watch(bpf);
} catch (error) {
  if (!(error instanceof BpfError)) throw error;
  printOfflineReport(spec, error);
}
