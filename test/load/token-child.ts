/**
 * What `token.test.ts` runs in a user namespace of its own: it prints the descriptor of a file system to come, waits until the test
 * has said what that delegates, and then loads with and without a token of it.
 *
 * @module
 */

import { readSync } from "node:fs";
import { CollectionSpec } from "../../src/collection.ts";
import { BpfError } from "../../src/error.ts";
import { openToken } from "../../src/token.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { fileSystemCalls } from "./token-calls.ts";

const { fsopen, fsmount } = fileSystemCalls();
const context = fsopen("bpf");
console.log(String(context));
readSync(0, new Uint8Array(16));

const path = `/proc/self/fd/${fsmount(context)}`;
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

using token = openToken(path);
console.log(
  JSON.stringify({
    without: await outcome(() => spec.load()),
    async: await outcome(() => spec.load({ token })),
    sync: await outcome(async () => spec.loadSync({ token })),
  }),
);
