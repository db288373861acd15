// What can be said of an object without loading it: whether it fits the kernels whose types are at hand.

import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { type BpfError, type CollectionSpec, check, checkText } from "ebpf";

/** Prints the CO-RE report of `spec` against the kernels in fixtures/btf, and why it was not loaded. */
export function printOfflineReport(spec: CollectionSpec, reason: BpfError): void {
  const folder = new URL(".", import.meta.resolve("#fixtures/btf/6.1.btf"));
  const kernels = readdirSync(folder)
    .filter((file) => file.endsWith(".btf"))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .map((file) => ({ name: basename(file, ".btf"), btf: readFileSync(new URL(file, folder)) }));
  console.log(`the object was not loaded: ${reason.message}\n`);
  console.log("its CO-RE relocations against the types of these kernels, offline:\n");
  console.log(checkText(check(spec, kernels)));
  console.log(
    "as root on Linux 5.10 or later, the same command shows the processes of this machine as they start and end",
  );
}
