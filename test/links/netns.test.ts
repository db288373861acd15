import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readlinkSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { interfaces } from "../../links/interface.ts";
import { flowDissector, namespacePrograms, skLookup } from "../../links/netns.ts";
import { tc } from "../../links/tc.ts";
import { alu, call, load } from "../../src/asm/index.ts";
import { SyscallError } from "../../src/error.ts";
import { NetworkNamespace } from "../../src/sys/network-namespace.ts";
import { TargetError } from "../../src/target-error.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { hostTest, kernelTest } from "../helper/kernel.ts";
import { Counter } from "./counter.ts";
import { hasCode, isA, isTarget } from "./errors.ts";
import { inOwnNetwork, sendDatagram } from "./network.ts";

const test = suite("links/netns");
/** `local_port` of `struct bpf_sk_lookup`, in the machine's byte order. */
const LOCAL_PORT = 60;

function lookup(): Counter {
  return new Counter({
    type: ProgramType.SK_LOOKUP,
    attachType: AttachType.SK_LOOKUP,
    before: [load("r7", "u32", "r6", LOCAL_PORT)],
    after: [alu("r0", "=", 1)],
  });
}

function dissector(): Counter {
  return new Counter({ type: ProgramType.FLOW_DISSECTOR, attachType: AttachType.FLOW_DISSECTOR });
}

async function knock(port: number): Promise<void> {
  await new Promise<void>((resolve) => {
    connect(port, "127.0.0.1").on("error", () => resolve());
  });
}

kernelTest(test, "sk_lookup: it sees connections, is updated, and stops", async () => {
  await assertNothingLeft(async () => {
    await inOwnNetwork(async (namespace) => {
      using first = lookup();
      using second = lookup();
      using link = skLookup(first.program);
      await knock(4711);
      // A slow answer has the kernel knock again.
      const seen = first.count;
      assert.ok(seen >= 1);
      assert.is(first.kept, 4711n);
      const attached = namespacePrograms(AttachType.SK_LOOKUP, { namespace }).programs;
      assert.equal(
        attached.map(({ id }) => id),
        [link.info().programId],
      );
      const { details } = link.info();
      assert.is(details.kind, "netns");
      assert.ok(details.kind === "netns" && details.inode > 0);

      link.update(second.program, { expected: first.program });
      assert.throws(
        () => link.update(first.program, { expected: first.program }),
        hasCode("EPERM"),
      );
      await knock(4712);
      assert.equal([first.count, first.kept], [seen, 4711n]);
      assert.is(second.kept, 4712n);
      assert.throws(() => link.update(dissectorProgram()), isA(TypeError));

      const last = second.count;
      link.close();
      await knock(4713);
      assert.equal([second.count, second.kept], [last, 4712n]);
    });
  });
});

function dissectorProgram(): Counter["program"] {
  using counter = dissector();
  return counter.program;
}

kernelTest(test, "a namespace that this thread is not in, held or by its path", async () => {
  using there = NetworkNamespace.create();
  using first = lookup();
  using second = lookup();
  using _link = skLookup(first.program, { namespace: there });
  await inOwnNetwork(async () => {
    await knock(4711);
    assert.is(first.count, 0);
    using _own = skLookup(second.program, { namespace: process.pid });
    using _by = skLookup(second.program, { namespace: "/proc/thread-self/ns/net" });
    await knock(4711);
    assert.ok(second.count > 0);
  });
  const namespace = "/no/such/namespace";
  assert.throws(() => skLookup(first.program, { namespace }), hasCode("ENOENT"));
  assert.throws(() => skLookup(first.program, { namespace: "/dev/null" }), hasCode("EINVAL"));
});

kernelTest(
  test,
  "flow_dissector: it sees packets whose flow is asked for, is updated, and stops",
  {
    needs: "clsact and BPF filters",
    config: ["CONFIG_NET_SCH_INGRESS", "CONFIG_NET_CLS_BPF"],
    loadable: "sch_ingress",
  },
  async () => {
    await inOwnNetwork(async () => {
      const ask = [alu("r1", "=", "r6"), call("set_hash_invalid"), alu("r1", "=", "r6")];
      using asking = new Counter({
        type: ProgramType.SCHED_CLS,
        before: [...ask, call("get_hash_recalc")],
      });
      using _asking = tc(asking.program, "lo", { direction: "ingress" });
      using first = dissector();
      using second = dissector();
      using link = flowDissector(first.program);
      await sendDatagram();
      assert.is(first.count, 1);
      assert.throws(() => flowDissector(second.program), /program \d+ is attached there/);
      link.update(second.program, { expected: first.program });
      await sendDatagram();
      assert.is(first.count, 1);
      assert.is(second.count, 1);
      link.detach();
      await sendDatagram();
      assert.is(second.count, 1);
      assert.throws(() => link.update(first.program), hasCode("ENOLINK"));
    });
  },
);

hostTest(
  test,
  "a function that awaits is not run in a namespace, and the thread is back",
  async () => {
    using there = NetworkNamespace.create();
    const here = () => readlinkSync("/proc/thread-self/ns/net");
    const before = here();
    let began = false;
    const isRefused = (error: unknown): boolean =>
      error instanceof TypeError &&
      /asynchronous.*load before, and attach inside$/.test(error.message);
    assert.throws(
      () =>
        there.run(async () => {
          began = true;
        }),
      isRefused,
    );
    assert.is(began, false);
    assert.throws(
      () => there.run(() => Promise.reject(new Error("nobody waits for it"))),
      isRefused,
    );
    assert.is(here(), before);
    assert.is.not(there.run(here), before);
    assert.throws(() => there.run(undefined as unknown as () => void), /nothing is no function/);
  },
);

hostTest(
  test,
  "a namespace by its name of ip-netns(8), and no other file",
  () => {
    const isNone = (error: unknown): boolean =>
      error instanceof SyscallError && /: that is no network namespace: EINVAL/.test(error.message);
    for (const path of ["/etc/passwd", "/dev/null", "/proc/self/ns/mnt", "/tmp"]) {
      assert.throws(() => NetworkNamespace.open(path), isNone, path);
    }
    assert.throws(
      () => NetworkNamespace.open("ebpf-test-none"),
      isTarget(
        "ENOENT",
        /^open network namespace \/run\/netns\/ebpf-test-none: ip-netns\(8\) has none/,
      ),
    );
    assert.throws(
      () => NetworkNamespace.open("/no/such/file"),
      isTarget("ENOENT", /\/no\/such\/file: there is no such file/),
    );
    assert.throws(
      () => NetworkNamespace.open(0x7fff_fffe),
      isTarget("ENOENT", /there is no process 2147483646/),
    );
    // Like no other's: those that look like a name are suggested.
    const name = `ebpf-test-${randomUUID()}`;
    assert.is(spawnSync("ip", ["netns", "add", name]).status, 0);
    try {
      using named = NetworkNamespace.open(name);
      // Near misses, by name and as ip-netns(8) has it.
      for (const near of [`${name}x`, `/run/netns/${name}x`]) {
        const target = { code: "ENOENT", target: near, suggestions: [name] };
        assert.throws(
          () => NetworkNamespace.open(near),
          (error: unknown) => {
            assert.instance(error, TargetError);
            const { code, target: asked, suggestions } = error as TargetError;
            assert.equal({ code, target: asked, suggestions }, target);
            return true;
          },
        );
      }
      assert.is(named.name, `/run/netns/${name}`);
      assert.equal(
        named.run(() => interfaces().map((each) => each.name)),
        ["lo"],
      );
    } finally {
      spawnSync("ip", ["netns", "delete", name]);
    }
  },
  { needs: "ip", obstacle: () => (spawnSync("ip", ["-V"]).status === 0 ? undefined : "no ip(8)") },
);

kernelTest(test, "misuse is named", async () => {
  await inOwnNetwork(() => {
    using program = lookup();
    assert.throws(() => flowDissector(program.program), isA(TypeError));
    for (const namespace of [{}, "", 0, -1, 1.5] as string[]) {
      assert.throws(
        () => skLookup(program.program, { namespace }),
        /neither a path nor the number/,
      );
    }
  });
});

hostTest(
  test,
  "a named pipe to which nobody writes is no namespace, and is not waited for",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "ebpf-pipe-"));
    try {
      const namespace = join(folder, "pipe");
      assert.is(spawnSync("mkfifo", [namespace]).status, 0);
      using program = lookup();
      assert.throws(() => skLookup(program.program, { namespace }), hasCode("EINVAL"));
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  {
    needs: "mkfifo",
    obstacle: () => (spawnSync("mkfifo", ["--version"]).error ? "no mkfifo(1)" : undefined),
  },
);

test.run();
