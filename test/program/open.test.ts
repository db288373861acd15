/**
 * Pinning programs, and opening programs that exist.
 */

import { randomUUID } from "node:crypto";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArrayMap } from "../../maps/index.ts";
import { type Collection, CollectionSpec } from "../../src/collection.ts";
import { BpfError } from "../../src/error.ts";
import { openProgram, type ProgramSource } from "../../src/program-open.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { withMount } from "../links/mounts.ts";

const test = suite("program: open");
const PACKET = new Uint8Array(64);

interface Globals {
  programs: { add: unknown };
}

function load(): Collection<Globals> {
  return CollectionSpec.fromFile<Globals>(fixturePath("globals.el.o")).loadSync();
}

function codeOf(source: ProgramSource): string {
  try {
    openProgram(source).close();
  } catch (error) {
    if (error instanceof BpfError) return error.code;
    throw error;
  }
  return "";
}

kernelTest(test, "a pinned program outlives its collection, and is opened by path", async () => {
  await assertNothingLeft(() =>
    withMount("bpf", (folder) => {
      const bpf = load();
      const { add } = bpf.programs;
      const path = `${folder}/add`;
      add.pin(path);
      assert.is(add.pinnedPath, path);
      const id = add.id;
      bpf.close();
      using found = openProgram(path);
      assert.equal(
        [found.id, found.name, found.type, found.pinnedPath],
        [id, "add", ProgramType.SOCKET_FILTER, path],
      );
      assert.is(found.run({ data: PACKET, context: { mark: 1 } }).returnValue, 42);
      using byId = openProgram({ id });
      assert.is(byId.pinnedPath, undefined);
      found.unpin();
      found.unpin();
      assert.not(existsSync(path));
      using named = openProgram(
        { id },
        {
          name: "sum",
          attachType: AttachType.CGROUP_INET_EGRESS,
          attachTo: "x",
        },
      );
      assert.equal([named.name, named.attachType, named.attachTo], ["sum", 1, "x"]);
    }),
  );
});

kernelTest(test, "what is no program is named", async () => {
  await assertNothingLeft(() =>
    withMount("bpf", (folder) => {
      using bpf = load();
      const map: ArrayMap = Object.values(bpf.maps)[0] as ArrayMap;
      const path = `${folder}/other`;
      map.pin(path);
      assert.is(codeOf(path), "ERR_NOT_A_PROGRAM");
      assert.throws(() => openProgram(path), /open the pin .*other as a program: it is a map/);
      map.unpin();
      assert.is(codeOf(path), "ENOENT");
      assert.is(codeOf({ id: 0xffff_fff0 }), "ENOENT");
      const file = join(tmpdir(), `ebpf-no-pin-${randomUUID()}`);
      writeFileSync(file, "");
      try {
        assert.is(codeOf(file), "ERR_NOT_BPFFS");
      } finally {
        rmSync(file);
      }
      assert.is(codeOf({ path: folder }), "EACCES");
      assert.throws(
        () => openProgram(folder),
        /that is a folder, which (has \w.*|is empty): EACCES/,
      );
      for (const source of ["", 0, -1, 0.5, {}, null]) {
        assert.throws(() => openProgram(source as string), /neither a path nor a number/);
      }
      assert.throws(() => openProgram(1, { nam: "x" } as object), /unknown option "nam"/);
    }),
  );
});

kernelTest(
  test,
  "a pinned link is no program",
  { needs: "raw tracepoint programs", config: "CONFIG_BPF_EVENTS" },
  async () => {
    await assertNothingLeft(() =>
      withMount("bpf", (folder) => {
        using bpf = CollectionSpec.fromFile(fixturePath("raw-tracepoint.el.o")).loadSync();
        using links = bpf.attach();
        const path = `${folder}/link`;
        [...links][0]!.pin(path);
        assert.throws(() => openProgram(path), /as a program: it is a link/);
      }),
    );
  },
);

test.run();
