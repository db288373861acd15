/**
 * Function tables of objects in the kernel: laid out as the kernel has them, registered, asked, taken back.
 */

import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openLink, StructOpsLink, structOps } from "../../links/index.ts";
import type { StructOpsMap } from "../../maps/index.ts";
import { type Collection, CollectionSpec } from "../../src/collection.ts";
import { BpfError, SyscallError, UnsupportedError } from "../../src/error.ts";
import type { Program } from "../../src/program.ts";
import { LinkType } from "../../src/uapi.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { type KernelNeeds, kernelTest } from "../helper/kernel.ts";
import { inOwnNetwork } from "../links/network.ts";

const test = suite("load: struct_ops");

const TABLES: KernelNeeds = {
  needs: "struct_ops",
  since: process.arch === "arm64" ? "6.0" : "5.6",
  config: ["CONFIG_DEBUG_INFO_BTF", "CONFIG_BPF_JIT", "CONFIG_INET"],
};
const LINKS: KernelNeeds = { ...TABLES, needs: "links of struct_ops", since: "6.4" };
const SYSCTL = "/proc/sys/net/ipv4/tcp_";
const BYTES = 100_000;
/** Names for the whole machine, of 15 bytes at most. */
const [COUNTING, LINKED] = ["counting", "linked"].map(
  (name) => `${name}_${randomBytes(3).toString("hex")}`,
) as [string, string];

interface Congestion {
  programs: Record<"on_init" | "on_cong_avoid" | "on_ssthresh" | "on_undo_cwnd", unknown>;
  maps: Record<"counting" | "linked" | "other", StructOpsMap>;
  variables: { sockets: bigint; acknowledged: bigint };
}

/** The object with those of its tables only. */
function read(...tables: string[]): CollectionSpec<Congestion> {
  const spec = CollectionSpec.fromFile<Congestion>(fixturePath("congestion.el.o"));
  for (const name of ["counting", "linked", "other"] as const) {
    spec.maps[name].autocreate = tables.includes(name);
    spec.maps[name].structOps!.members["name"] = name === "counting" ? COUNTING : LINKED;
  }
  return spec;
}

function available(): string[] {
  return readFileSync(`${SYSCTL}available_congestion_control`, "utf8").trim().split(" ");
}

/** Sends bytes through a connection of the loopback interface, whose sockets have the default congestion control. */
async function transfer(): Promise<void> {
  const server = createServer((socket) => {
    socket.end(new Uint8Array(BYTES));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as { port: number };
    let received = 0;
    await new Promise<void>((resolve, reject) => {
      connect(port, "127.0.0.1")
        .on("data", ({ length }) => {
          received += length;
        })
        .on("close", () => resolve())
        .on("error", reject);
    });
    assert.is(received, BYTES);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

kernelTest(
  test,
  "a congestion control is registered, used by sockets, and taken back",
  { ...TABLES, config: [...(TABLES.config as string[]), "CONFIG_SYSCTL"] },
  async () => {
    // The first server of a process has libuv keep a descriptor.
    await inOwnNetwork(transfer);
    await assertNothingLeft(async () => {
      await using bpf = await read("counting").load();
      assert.equal(Object.keys(bpf.maps).sort(), [".bss", "counting"]);
      const table = bpf.maps.counting;
      assert.is(table.state(), "empty");
      assert.not(available().includes(COUNTING));
      using link = structOps(table);
      assert.is(link.kind, "struct_ops");
      assert.is(table.state(), "in use");
      assert.ok(available().includes(COUNTING));
      assert.throws(
        () => structOps(table),
        (error: unknown) => error instanceof SyscallError && error.code === "EBUSY",
      );
      await inOwnNetwork(async () => {
        writeFileSync(`${SYSCTL}congestion_control`, COUNTING);
        await transfer();
      });
      assert.ok(bpf.variables.sockets.get() >= 2n, `${bpf.variables.sockets.get()} sockets`);
      assert.ok(bpf.variables.acknowledged.get() > 0n);
      for (const refused of [() => link.replace(table), () => link.pin("/sys/fs/bpf/never")]) {
        assert.throws(refused, (error: unknown) => error instanceof UnsupportedError);
      }
      link.close();
      link.close();
      assert.not(available().includes(COUNTING));
    });
  },
);

kernelTest(
  test,
  "a table that was registered stays when its collection is closed, until its link is",
  TABLES,
  async () => {
    await assertNothingLeft(() => {
      const bpf = read("counting").loadSync();
      using link = structOps(bpf.maps.counting);
      bpf.close();
      assert.ok(available().includes(COUNTING));
      link.close();
      assert.not(available().includes(COUNTING));
    });
  },
);

kernelTest(
  test,
  "a table with a link is used as long as that lives, and another takes its place",
  LINKS,
  async () => {
    await assertNothingLeft(async () => {
      await using bpf = await read("linked", "other").load();
      const { linked, other } = bpf.maps;
      assert.ok(linked.needsLink);
      using link = structOps(linked);
      assert.ok(available().includes(LINKED));
      assert.is(link.info().type, LinkType.STRUCT_OPS);
      for (const none of [undefined, {}, bpf.programs]) {
        const replace = () => link.replace(none as unknown as typeof other);
        assert.throws(replace, (error: unknown) => error instanceof TypeError);
      }
      assert.throws(() => link.update(bpf.programs.on_init as Program), /by replace\(map\)/);
      {
        const { id } = link.info();
        using opened = openLink(id);
        assert.instance(opened, StructOpsLink);
        assert.is(opened.description, `function table of map ${linked.id} (link ${id})`);
      }
      link.replace(other);
      assert.ok(available().includes(LINKED));
      link.close();
      assert.not(available().includes(LINKED));
      assert.is(linked.state(), "ready");
      using again = structOps(linked);
      assert.not(again.closed);
      assert.throws(
        () => structOps(other),
        (error: unknown) => error instanceof SyscallError && error.code === "EEXIST",
      );
    });
  },
);

kernelTest(
  test,
  "a table is taken back while its link is open",
  { ...LINKS, since: "6.11" },
  () => {
    using bpf = read("linked").loadSync();
    using link = structOps(bpf.maps.linked);
    link.detach();
    assert.not(available().includes(LINKED));
    assert.is(bpf.maps.linked.state(), "ready");
    assert.not(link.closed);
  },
);

kernelTest(
  test,
  "a table may be given in place of the object's, and its programs are left out",
  TABLES,
  async () => {
    await assertNothingLeft(() => {
      using first = read("counting").loadSync();
      using second = read("counting").loadSync({ maps: { counting: first.maps.counting } });
      assert.equal(Object.keys(second.programs), []);
      assert.is(second.maps.counting, first.maps.counting);
      // It is the other collection's to attach.
      using links = second.attach();
      assert.is(links.size, 0);
    });
  },
);

kernelTest(test, "attaching a collection registers its tables", TABLES, () => {
  const bpf: Collection<Congestion> = read("counting").loadSync();
  try {
    using links = bpf.attach();
    assert.equal(links.skipped, []);
    assert.equal([...links.byMap.keys()], ["counting"]);
    assert.equal(
      [...links].map(({ kind }) => kind),
      ["struct_ops"],
    );
    assert.ok(available().includes(COUNTING));
    links.close();
    assert.not(available().includes(COUNTING));
  } finally {
    bpf.close();
  }
});

kernelTest(test, "programs know their member, and cannot be two", TABLES, async () => {
  await assertNothingLeft(() => {
    const spec = read("counting");
    spec.maps.counting.structOps!.members["undo_cwnd"] = "on_ssthresh";
    assert.throws(
      () => spec.loadSync(),
      /program on_ssthresh: it is counting\.\w+ and counting\.\w+, but/,
    );
    // The other one is no longer named by any table.
    spec.maps.counting.structOps!.members["ssthresh"] = null;
    spec.programs.on_undo_cwnd.autoload = false;
    using bpf = spec.loadSync();
    assert.equal(Object.keys(bpf.programs).sort(), ["on_cong_avoid", "on_init", "on_ssthresh"]);
    assert.is.not((bpf.programs["on_ssthresh"] as Program).attachType, 0);
    // The kernel wants ssthresh.
    assert.throws(
      () => structOps(bpf.maps.counting),
      (error: unknown) => error instanceof SyscallError && error.code === "EINVAL",
    );
  });
});

kernelTest(
  test,
  "what the kernel's structure does not have, and is set, is refused by name",
  TABLES,
  async () => {
    const refused = (change: (members: Record<string, unknown>) => void, pattern: RegExp): void => {
      const spec = read("counting");
      change(spec.maps.counting.structOps!.members);
      assert.throws(
        () => spec.loadSync(),
        (error: unknown) =>
          error instanceof BpfError &&
          error.code === "ERR_STRUCT_OPS" &&
          pattern.test(error.message),
      );
    };
    await assertNothingLeft(() => {
      refused((members) => {
        members["no_such_member"] = "on_init";
      }, /no member no_such_member, and the object sets it; set .*no_such_member to null/);
      refused((members) => {
        members["no_such_number"] = 1n;
      }, /no member no_such_number, and the object sets it; set .* to 0/);
      refused((members) => {
        members["init"] = "nowhere";
      }, /its member init is program nowhere, which the object does not have/);
    });
  },
);

kernelTest(
  test,
  "programs of tables that are not created are left out, or named",
  TABLES,
  async () => {
    await assertNothingLeft(() => {
      using none = read().loadSync();
      assert.equal(Object.keys(none.programs), []);
      const spec = read();
      for (const map of Object.values(spec.maps)) {
        for (const name of Object.keys(map.structOps?.functions() ?? {})) {
          map.structOps!.members[name] = null;
        }
      }
      assert.throws(
        () => spec.loadSync(),
        /load program on_\w+: .*no table that is loaded names it/,
      );
    });
  },
);

test.run();
