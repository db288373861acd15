/**
 * What `token.test.ts` runs in a user namespace of its own: it prints the descriptor of a file system to come, waits until the test
 * has said what that delegates, and then loads with and without a token of it, given and found.
 *
 * @module
 */

import { readdirSync, readSync } from "node:fs";
import { CollectionSpec } from "../../src/collection.ts";
import { BpfError } from "../../src/error.ts";
import type { LoadOptions } from "../../src/load-options.ts";
import { openToken } from "../../src/token.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { fileSystemCalls } from "./token-calls.ts";

const { fsopen, fsmount, moveMount } = fileSystemCalls();
const context = fsopen("bpf");
console.log(String(context));
readSync(0, new Uint8Array(16));

const mount = fsmount(context);
const path = `/proc/self/fd/${mount}`;
const spec = CollectionSpec.fromFile(fixturePath("globals.el.o"));

/** What came of loading: what the program returned, or the code of an error. */
async function outcome(
  load: () => Promise<{ programs: Record<string, unknown>; close(): void }>,
): Promise<unknown> {
  try {
    const bpf = await load();
    const program = bpf.programs["add"] as { run(options: object): { returnValue: number } };
    const { returnValue } = program.run({ data: new Uint8Array(64) });
    bpf.close();
    return returnValue;
  } catch (error) {
    return error instanceof BpfError ? error.code : String(error);
  }
}

/** Loads with what the environment variable of libbpf says. */
async function withVariable(value: string, options: LoadOptions = {}): Promise<unknown> {
  process.env["LIBBPF_BPF_TOKEN_PATH"] = value;
  const result = await outcome(() => spec.load(options));
  delete process.env["LIBBPF_BPF_TOKEN_PATH"];
  return result;
}

{
  using token = openToken(path);
  const outcomes: Record<string, unknown> = {
    without: await outcome(() => spec.load()),
    async: await outcome(() => spec.load({ token })),
    sync: await outcome(async () => spec.loadSync({ token })),
    variable: await withVariable(path),
    // What is said comes before what is found.
    off: await withVariable(path, { token: false }),
    given: await withVariable("", { token }),
    mandatory: await withVariable("/no/such/folder"),
  };
  moveMount(mount, "/sys/fs/bpf");
  outcomes["found"] = await outcome(() => spec.load());
  outcomes["foundSync"] = await outcome(async () => spec.loadSync());
  outcomes["forbidden"] = await withVariable("");
  const descriptors = readdirSync("/proc/self/fd").length;
  await outcome(() => spec.load());
  outcomes["left"] = readdirSync("/proc/self/fd").length - descriptors;
  console.log(JSON.stringify(outcomes));
}
