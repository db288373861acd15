import { closeSync, mkdirSync, openSync, readFileSync, rmdirSync } from "node:fs";
import { connect } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Kind } from "../../btf/index.ts";
import { attachCgroup, type CgroupOptions, cgroup, cgroupPrograms } from "../../links/cgroup.ts";
import { alu, load, type Statement } from "../../src/asm/index.ts";
import { kernelBtf } from "../../src/sys/kernel-btf.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { isOlderThan, kernelTest } from "../helper/kernel.ts";
import { TRAMPOLINES } from "../helper/trampolines.ts";
import { inOwnCgroup } from "./cgroups.ts";
import { Counter, openObjects } from "./counter.ts";
import { hasCode, isA, isTarget } from "./errors.ts";
import { inOwnNetwork, sendDatagram } from "./network.ts";
import { kernelBefore59 } from "./old-kernel.ts";

const test = suite("links/cgroup");

const allow: Statement[] = [alu("r0", "=", 1)];
const egress = { type: ProgramType.CGROUP_SKB, attachType: AttachType.CGROUP_INET_EGRESS };
/** `len`, the first member of `struct __sk_buff`. */
const keepLength: Statement[] = [load("r7", "u32", "r6", 0)];
/** IP and UDP headers, and 7 bytes: cgroups see no Ethernet header. */
const DATAGRAM = 20n + 8n + 7n;

async function runsAndStops(options: CgroupOptions, kernel?: typeof kernelBefore59): Promise<void> {
  await assertNothingLeft(async () => {
    await inOwnNetwork(async () => {
      await inOwnCgroup(async (path) => {
        using first = new Counter({ ...egress, before: keepLength, after: allow });
        using second = new Counter({ ...egress, after: allow });
        const link = attachCgroup(first.program, path, options, kernel);
        assert.is(link.isKernelLink, kernel === undefined && options.link !== false);
        await sendDatagram();
        assert.is(first.count, 1);
        assert.is(first.kept, DATAGRAM);
        const attached = cgroupPrograms(path, AttachType.CGROUP_INET_EGRESS).programs;
        assert.is(attached.length, 1);

        link.update(second.program, { expected: first.program });
        await sendDatagram();
        assert.is(first.count, 1);
        assert.is(second.count, 1);
        assert.match(link.description, /^count to inet_egress of cgroup \//);
        assert.throws(() => link.update(first.program, { expected: first.program }));

        link.close();
        await sendDatagram();
        assert.is(second.count, 1);
        assert.equal(cgroupPrograms(path, AttachType.CGROUP_INET_EGRESS).programs, []);
      });
    });
  });
}

kernelTest(test, "through a link: it sees packets, is updated, and stops", async () => {
  await runsAndStops({});
});

kernelTest(test, "without a link, asked for", async () => {
  await runsAndStops({ link: false });
});

kernelTest(test, "without a link, on a kernel that has none for cgroups", async () => {
  await runsAndStops({}, kernelBefore59);
});

kernelTest(test, "a program denies connections of the cgroup, and no other", async () => {
  await inOwnNetwork(async () => {
    await inOwnCgroup(async (path) => {
      using denial = new Counter({
        type: ProgramType.CGROUP_SOCK_ADDR,
        attachType: AttachType.CGROUP_INET4_CONNECT,
      });
      assert.is(await connectCode(), "ECONNREFUSED");
      const descriptor = openSync(path, "r");
      using link = cgroup(denial.program, descriptor);
      closeSync(descriptor);
      assert.is(await connectCode(), "EPERM");
      assert.is(denial.count, 1);
      const { details } = link.info();
      assert.is(details.kind, "cgroup");
      assert.ok(details.kind === "cgroup" && details.cgroupId > 0n);
      assert.is(
        details.kind === "cgroup" ? details.attachType : -1,
        AttachType.CGROUP_INET4_CONNECT,
      );
      link.detach();
      assert.is(await connectCode(), "ECONNREFUSED");
      assert.is(denial.count, 1);
    });
  });
});

kernelTest(test, "programs of other types run at their hooks", async () => {
  await inOwnNetwork(async () => {
    await inOwnCgroup(async (path) => {
      using device = new Counter({
        type: ProgramType.CGROUP_DEVICE,
        attachType: AttachType.CGROUP_DEVICE,
        after: allow,
      });
      using sysctl = new Counter({
        type: ProgramType.CGROUP_SYSCTL,
        attachType: AttachType.CGROUP_SYSCTL,
        after: allow,
      });
      using creation = new Counter({
        type: ProgramType.CGROUP_SOCK,
        attachType: AttachType.CGROUP_INET_SOCK_CREATE,
        after: allow,
      });
      using _device = cgroup(device.program, path);
      using _sysctl = cgroup(sysctl.program, path);
      using _creation = cgroup(creation.program, path);
      closeSync(openSync("/dev/null", "r"));
      assert.ok(device.count > 0, "device");
      readFileSync("/proc/sys/kernel/ostype");
      assert.ok(sysctl.count > 0, "sysctl");
      await sendDatagram();
      assert.ok(creation.count > 0, "sock_create");
    });
  });
});

kernelTest(test, "every attach type of cgroups is taken, and said by information", async () => {
  await inOwnCgroup((path) => {
    const types = Object.entries(AttachType).filter(([name]) => name.startsWith("CGROUP_"));
    assert.ok(types.length >= 28, `${types.length}`);
    for (const [name, attachType] of types) {
      if (name.startsWith("CGROUP_UNIX_") && isOlderThan("6.7")) continue;
      using program = new Counter({ type: typeOf(name), attachType, after: allow });
      using link = cgroup(program.program, path);
      const { details } = link.info();
      assert.is(details.kind === "cgroup" ? details.attachType : -1, attachType, name);
    }
  });
});

/** The program type of an attach type. */
function typeOf(name: string): number {
  if (/INET_(IN|E)GRESS$/.test(name)) return ProgramType.CGROUP_SKB;
  if (/SOCK_(CREATE|RELEASE)$|POST_BIND$/.test(name)) return ProgramType.CGROUP_SOCK;
  if (/SOCKOPT$/.test(name)) return ProgramType.CGROUP_SOCKOPT;
  const own = {
    CGROUP_SOCK_OPS: ProgramType.SOCK_OPS,
    CGROUP_DEVICE: ProgramType.CGROUP_DEVICE,
    CGROUP_SYSCTL: ProgramType.CGROUP_SYSCTL,
  };
  return Object.hasOwn(own, name) ? own[name as keyof typeof own] : ProgramType.CGROUP_SOCK_ADDR;
}

kernelTest(
  test,
  "a function of security modules, for the processes of a cgroup (lsm_cgroup)",
  { ...TRAMPOLINES, needs: "lsm_cgroup", since: "6.0", config: "CONFIG_BPF_LSM" },
  async () => {
    await inOwnNetwork(async () => {
      await inOwnCgroup(async (path) => {
        using binding = new Counter({
          type: ProgramType.LSM,
          attachType: AttachType.LSM_CGROUP,
          attachTo: "socket_bind",
          attachBtfId: kernelBtf().find("bpf_lsm_socket_bind", Kind.FUNC)!,
          after: allow,
        });
        using link = cgroup(binding.program, path);
        await sendDatagram();
        assert.ok(binding.count > 0);
        link.close();
        const last = binding.count;
        await sendDatagram();
        assert.is(binding.count, last);
      });
    });
  },
);

kernelTest(test, "what excludes a mode is said by what is in effect", async () => {
  await inOwnCgroup((path) => {
    using first = new Counter({ ...egress, after: allow });
    using second = new Counter({ ...egress, after: allow });
    const attach = (where: string, options: CgroupOptions) => () =>
      cgroup(second.program, where, options);
    {
      using _link = cgroup(first.program, path);
      for (const mode of ["override", "exclusive"] as const) {
        const found = new RegExp(
          `\\(in effect there: program \\d+, attached as multi, as links are, which excludes programs of mode ${mode}\\)`,
        );
        assert.throws(attach(path, { link: false, mode }), found);
      }
    }
    {
      using _link = cgroup(second.program, path, { link: false });
      using other = cgroup(first.program, path, { link: false });
      const twice =
        /\(the program is attached there, which is possible once without a link\): EINVAL/;
      assert.throws(attach(path, { link: false }), twice);
      assert.throws(() => other.update(second.program), twice);
    }
    {
      // Which is no reason through links.
      using _link = cgroup(second.program, path);
      assert.throws(
        () => attachCgroup(second.program, path, { preorder: true }, kernelBefore59),
        /the kernel is too old .* or preorder \(6\.15, of links 6\.17\)\): EINVAL/,
      );
    }
    {
      using _link = cgroup(first.program, path, { link: false, mode: "override" });
      assert.throws(
        attach(path, {}),
        /\(in effect there: program \d+, attached as override, which excludes links and programs of mode multi\)/,
      );
    }
    using _link = cgroup(first.program, path, { link: false, mode: "exclusive" });
    const below = `${path}/below`;
    mkdirSync(below);
    try {
      assert.throws(
        attach(below, {}),
        /program \d+ of a cgroup above, attached as exclusive, which leaves cgroups below it none of their own\): EPERM/,
      );
    } finally {
      rmdirSync(below);
    }
  });
});

kernelTest(test, "an exclusive program bars others, which says which it is", async () => {
  await inOwnCgroup((path) => {
    using first = new Counter({ ...egress, after: allow });
    using second = new Counter({ ...egress, after: allow });
    using _link = cgroup(first.program, path, { link: false, mode: "exclusive" });
    assert.throws(() => cgroup(second.program, path), hasCode("EPERM"));
    assert.throws(() => cgroup(second.program, path), /in effect there: program \d+/);
    const below = `${path}/below`;
    mkdirSync(below);
    try {
      assert.throws(() => cgroup(second.program, below), /in effect there: program \d+/);
    } finally {
      rmdirSync(below);
    }
  });
  await inOwnCgroup((path) => {
    using first = new Counter({ ...egress, after: allow });
    using second = new Counter({ ...egress, after: allow });
    using _link = cgroup(first.program, path, { link: false, mode: "override" });
    const below = `${path}/below`;
    mkdirSync(below);
    try {
      using _own = cgroup(second.program, below, { link: false, mode: "override" });
      const type = AttachType.CGROUP_INET_EGRESS;
      assert.is(cgroupPrograms(below, type, { effective: true }).programs.length, 1);
    } finally {
      rmdirSync(below);
    }
  });
});

for (const mode of ["override", "exclusive"] as const) {
  kernelTest(test, `${mode}: another one takes the place, and is left alone`, async () => {
    await assertNothingLeft(async () => {
      await inOwnCgroup((path) => {
        using first = new Counter({ ...egress, after: allow });
        using second = new Counter({ ...egress, after: allow });
        using third = new Counter({ ...egress, after: allow });
        const options = { link: false, mode } as const;
        const ids = () =>
          cgroupPrograms(path, AttachType.CGROUP_INET_EGRESS).programs.map(({ id }) => id);
        using one = cgroup(first.program, path, options);
        using two = cgroup(second.program, path, options);
        assert.equal(ids(), [second.program.id]);
        one.close();
        assert.equal(ids(), [second.program.id]);
        const expected = first.program;
        assert.throws(() => two.update(third.program, { expected }), hasCode("EPERM"));
        two.update(third.program, { expected: second.program });
        assert.equal(ids(), [third.program.id]);
        two.close();
        assert.equal(ids(), []);
      });
    });
  });
}

kernelTest(
  test,
  "anchors put a program before another",
  { needs: "anchors of cgroup programs", since: "6.17" },
  async () => {
    await inOwnCgroup((path) => {
      using first = new Counter({ ...egress, after: allow });
      using second = new Counter({ ...egress, after: allow });
      using third = new Counter({ ...egress, after: allow });
      using one = cgroup(first.program, path);
      using two = cgroup(second.program, path, { before: "all" });
      using three = cgroup(third.program, path, { before: one });
      const type = AttachType.CGROUP_INET_EGRESS;
      const { programs, revision } = cgroupPrograms(path, type);
      assert.equal(
        programs.map(({ id }) => id),
        [two, three, one].map((link) => link.info().programId),
      );
      three.close();
      assert.throws(() => cgroup(third.program, path, { before: first.program }), isA(TypeError));
      using again = new Counter({ ...egress, after: allow });
      assert.throws(
        () => cgroup(again.program, path, { expectedRevision: revision }),
        hasCode("ESTALE"),
      );
    });
  },
);

for (const [how, link, since] of [
  ["a link", true, "6.17"],
  ["no link", false, "6.15"],
] as const) {
  kernelTest(
    test,
    `preorder puts a program before those of cgroups below, through ${how}`,
    { needs: "preorder of cgroup programs", since },
    async () => {
      await inOwnCgroup((path) => {
        const below = `${path}/below`;
        mkdirSync(below);
        try {
          using inner = new Counter({ ...egress, after: allow });
          using outer = new Counter({ ...egress, after: allow });
          using next = new Counter({ ...egress, after: allow });
          const order = () => {
            const all = cgroupPrograms(below, egress.attachType, { effective: true }).programs;
            const own = [inner, outer, next].map(({ program }) => program.id);
            return all.map(({ id }) => own.indexOf(id)).filter((one) => one !== -1);
          };
          using _below = cgroup(inner.program, below, { link });
          using plain = cgroup(outer.program, path, { link });
          assert.equal(order(), [0, 1]);
          plain.close();
          using first = cgroup(outer.program, path, { link, preorder: true });
          assert.equal(order(), [1, 0]);
          first.close();
          using again = cgroup(next.program, path, { link, preorder: true });
          assert.ok(again.isKernelLink === link);
          assert.equal(order(), [2, 0]);
          if (!link) {
            again.update(outer.program);
            assert.equal(order(), [1, 0]);
          }
        } finally {
          rmdirSync(below);
        }
      });
    },
  );
}

kernelTest(test, "what is no cgroup is an error that tells where cgroups are", async () => {
  await assertNothingLeft(() => {
    using program = new Counter({ ...egress, after: allow });
    using other = new Counter({ type: ProgramType.SOCKET_FILTER });
    const before = openObjects();
    const where = /cgroups of version 2 are below \//;
    assert.throws(() => cgroup(program.program, "/no/such/cgroup"), isTarget("ENOENT", where));
    assert.throws(
      () => cgroup(program.program, 0x7fff_fffe),
      isTarget("ENOENT", /descriptor 2147/),
    );
    assert.throws(() => cgroup(program.program, "/tmp"), where);
    assert.throws(() => cgroup(program.program, "/tmp"), hasCode("EBADF"));
    assert.throws(() => cgroup(program.program, ""), isA(TypeError));
    assert.throws(() => cgroup(program.program, "/tmp", { mode: "override" }), /link: false/);
    assert.throws(() => cgroup(other.program, "/tmp"), isA(TypeError));
    assert.equal(openObjects(), before);
  });
});

async function connectCode(): Promise<unknown> {
  return await new Promise((resolve) => {
    const socket = connect(9, "127.0.0.1");
    socket.on("error", (error) => resolve((error as NodeJS.ErrnoException).code));
    socket.on("connect", () => {
      socket.destroy();
      resolve("connected");
    });
  });
}

test.run();
