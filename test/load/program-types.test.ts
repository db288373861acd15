/**
 * Every program type that the kernel has is loaded, with the attach type that its section says.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { alu, assemble, exit } from "../../src/asm/index.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { BpfError, SyscallError } from "../../src/error.ts";
import type { Program } from "../../src/program.ts";
import { type ProgramSpec, sectionMeaning } from "../../src/spec/index.ts";
import { kernelBtf } from "../../src/sys/kernel-btf.ts";
import { AttachType, nameOf, ProgramType } from "../../src/uapi.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { isOlderThan, type KernelNeeds, kernelTest } from "../helper/kernel.ts";
import { isConfigKnown, missingConfig } from "../helper/kernel-config.ts";
import { objectOf } from "../helper/object.ts";
import { TRAMPOLINES } from "../helper/trampolines.ts";

const test = suite("load: program types");

/** A section, what its program returns, and what the kernel needs for it beyond Linux 5.10. */
type Row = readonly [section: string, returned: number, needs?: Partial<KernelNeeds>];

const CGROUP: Partial<KernelNeeds> = { config: "CONFIG_CGROUP_BPF" };
const EVENTS: Partial<KernelNeeds> = { config: "CONFIG_BPF_EVENTS" };
const TYPED: Partial<KernelNeeds> = {
  config: ["CONFIG_DEBUG_INFO_BTF", "CONFIG_BPF_EVENTS"],
};
const LSM: Partial<KernelNeeds> = {
  ...TRAMPOLINES,
  config: [...(TRAMPOLINES.config as string[]), "CONFIG_BPF_LSM"],
};

/**
 * Types by name; types with targets in other programs are tested below. Before Linux 6.3 changing results takes
 * CONFIG_FUNCTION_ERROR_INJECTION.
 */
const ROWS: Readonly<Record<string, readonly Row[]>> = {
  SOCKET_FILTER: [["socket", 0]],
  KPROBE: [
    ["kprobe/vfs_unlink", 0, EVENTS],
    ["uprobe.s//bin/sh:main", 0, { ...EVENTS, since: "6.0" }],
    ["kprobe.multi/vfs_*", 0, { since: "5.18", config: "CONFIG_FPROBE" }],
    ["uprobe.multi//bin/sh:main", 0, { ...EVENTS, since: "6.6" }],
    ["kprobe.session/vfs_*", 0, { since: "6.10", config: "CONFIG_FPROBE" }],
  ],
  SCHED_CLS: [
    ["tc", 0],
    ["tcx/ingress", 0, { since: "6.6" }],
    ["netkit/primary", 0, { since: "6.7", config: "CONFIG_NETKIT" }],
  ],
  SCHED_ACT: [["action", 0]],
  TRACEPOINT: [["tracepoint/sched/sched_switch", 0, EVENTS]],
  XDP: [
    ["xdp", 2],
    ["xdp.frags", 2, { since: "5.18" }],
    ["xdp/devmap", 2],
    ["xdp/cpumap", 2],
  ],
  PERF_EVENT: [["perf_event", 0, EVENTS]],
  CGROUP_SKB: [
    ["cgroup_skb/ingress", 1, CGROUP],
    ["cgroup_skb/egress", 1, CGROUP],
    ["cgroup/skb", 1, CGROUP],
  ],
  CGROUP_SOCK: [
    ["cgroup/sock_create", 1, CGROUP],
    ["cgroup/sock_release", 1, CGROUP],
    ["cgroup/post_bind6", 1, CGROUP],
  ],
  LWT_IN: [["lwt_in", 0]],
  LWT_OUT: [["lwt_out", 0]],
  LWT_XMIT: [["lwt_xmit", 0]],
  SOCK_OPS: [["sockops", 1]],
  SK_SKB: [
    ["sk_skb/stream_parser", 0],
    ["sk_skb/stream_verdict", 1],
    ["sk_skb/verdict", 1],
    ["sk_skb", 1],
  ],
  CGROUP_DEVICE: [["cgroup/dev", 1, CGROUP]],
  SK_MSG: [["sk_msg", 1]],
  RAW_TRACEPOINT: [["raw_tp/sys_enter", 0, EVENTS]],
  CGROUP_SOCK_ADDR: [
    ["cgroup/bind4", 1, CGROUP],
    ["cgroup/connect6", 1, CGROUP],
    ["cgroup/sendmsg4", 1, CGROUP],
    ["cgroup/recvmsg6", 1, CGROUP],
    ["cgroup/getpeername4", 1, CGROUP],
    ["cgroup/connect_unix", 1, { ...CGROUP, since: "6.7" }],
  ],
  LWT_SEG6LOCAL: [["lwt_seg6local", 0]],
  LIRC_MODE2: [["lirc_mode2", 0]],
  SK_REUSEPORT: [
    ["sk_reuseport", 1],
    ["sk_reuseport/migrate", 1, { since: "5.14" }],
  ],
  FLOW_DISSECTOR: [["flow_dissector", 0]],
  CGROUP_SYSCTL: [["cgroup/sysctl", 1, CGROUP]],
  RAW_TRACEPOINT_WRITABLE: [["raw_tp.w/nbd_send_request", 0, EVENTS]],
  CGROUP_SOCKOPT: [
    ["cgroup/getsockopt", 1, CGROUP],
    ["cgroup/setsockopt", 1, CGROUP],
  ],
  TRACING: [
    ["tp_btf/sched_switch", 0, TYPED],
    ["iter/task", 0, TYPED],
    ["fentry/bpf_fentry_test1", 0, TRAMPOLINES],
    ["fexit.s/bpf_fentry_test1", 0, { ...TRAMPOLINES, since: "6.3" }],
    ["fmod_ret/bpf_modify_return_test", 0, { ...TRAMPOLINES, since: "6.3" }],
    ["iter.s/task", 0, { ...TYPED, since: "5.18" }],
  ],
  LSM: [
    ["lsm/file_open", 0, LSM],
    ["lsm.s/file_open", 0, { ...LSM, since: process.arch === "arm64" ? "6.0" : "5.11" }],
    ["lsm_cgroup/socket_create", 1, { ...LSM, since: "6.0" }],
  ],
  SK_LOOKUP: [["sk_lookup", 1]],
  SYSCALL: [["syscall", 0, { since: "5.14" }]],
  NETFILTER: [["netfilter", 1, { since: "6.4", config: "CONFIG_NETFILTER_BPF_LINK" }]],
};
/** In tests of their own: here, and in `struct-ops.test.ts`. */
const ELSEWHERE = ["UNSPEC", "EXT", "STRUCT_OPS"];

/** An object with one program that returns a number. */
function object(
  section: string,
  returned: number,
  change: Partial<ProgramSpec> = {},
): CollectionSpec {
  const { bytes } = assemble([alu("r0", "=", returned), exit()]);
  const { prefix: _, ...meaning } = sectionMeaning(section);
  return objectOf(bytes, { section, ...meaning, ...change });
}

/** No kernel of the matrix has it; without it, what is said of that is tested. */
const LIRC = "CONFIG_BPF_LIRC_MODE2";

test("there is a row for every type", () => {
  assert.equal([...Object.keys(ROWS), ...ELSEWHERE].sort(), Object.keys(ProgramType).sort());
});

for (const [type, rows] of Object.entries(ROWS)) {
  for (const [section, returned, needs] of rows) {
    const name = `${type.toLowerCase()}: ${section}`;
    kernelTest(test, name, { needs: `${type.toLowerCase()} programs`, ...needs }, async () => {
      const meaning = sectionMeaning(section);
      assert.is(meaning.type, ProgramType[type as keyof typeof ProgramType]);
      await assertNothingLeft(() => {
        if (section === "lirc_mode2" && (missingConfig([LIRC]).length > 0 || !isConfigKnown())) {
          const said = /this kernel may lack program type lirc_mode2 .*EINVAL/;
          assert.throws(() => object(section, returned).loadSync(), said);
          return;
        }
        using bpf = object(section, returned).loadSync();
        const program: Program = bpf.programs["main"];
        const info = program.info();
        assert.equal([info.type, info.name], [meaning.type, "main"]);
        assert.is(program.attachType, meaning.attachType);
        // Linux tells it since 5.17.
        if (!isOlderThan("5.17")) assert.is(info.attachBtfId !== 0, meaning.attachBtf);
      });
    });
  }
}

kernelTest(
  test,
  "an attach type that the kernel does not have is named",
  { needs: "cgroup_sock_addr programs", config: "CONFIG_CGROUP_BPF" },
  () => {
    assert.throws(
      () => object("cgroup/connect4", 1, { attachType: AttachType.SK_LOOKUP }).loadSync(),
      (error: unknown) =>
        error instanceof SyscallError &&
        error.code === "EINVAL" &&
        error.message.includes(nameOf(AttachType, AttachType.SK_LOOKUP)),
    );
  },
);

kernelTest(
  test,
  "targets that are not there are named",
  { needs: "targets in kernel BTF", config: "CONFIG_DEBUG_INFO_BTF" },
  async () => {
    const refused = (section: string, pattern: RegExp, change?: Partial<ProgramSpec>): void => {
      assert.throws(
        () => object(section, 0, change).loadSync(),
        (error: unknown) =>
          error instanceof BpfError &&
          error.code === "ERR_ATTACH_TARGET" &&
          pattern.test(error.message),
      );
    };
    await assertNothingLeft(() => {
      refused("fentry/no_such_function", /this kernel has no no_such_function in its BTF or that/);
      refused("fentry/no_such_module:main", /this kernel has no main in module no_such_module/);
      refused("tp_btf/no_such_tracepoint", /this kernel has no btf_trace_no_such_tracepoint/);
      refused("lsm/no_such_hook", /this kernel has no bpf_lsm_no_such_hook/);
      refused("iter/no_such_thing", /this kernel has no bpf_iter_no_such_thing/);
      refused("fentry", /does not say what to attach to, such as fentry\/FUNCTION/);
      refused("freplace/main", /give that program when loading, as targets\.main/);
    });
  },
);

test("targets are checked before anything is done", () => {
  const load = (targets: object) =>
    object("freplace/x", 0).loadSync({ targets: targets as Record<string, Program> });
  assert.throws(() => load({ mian: {} }), /no such program; did you mean "main"\?/);
  assert.throws(() => load({ main: {} }), /targets\.main is no loaded program/);
  assert.throws(
    () => object("xdp", 2).loadSync({ targets: { main: {} as Program } }),
    /section xdp is not attached to functions/,
  );
});

/** A module that many machines have, with a function that programs may be attached to. */
const MODULE = "nf_conntrack";
const FUNCTION = "nf_conntrack_in";

kernelTest(
  test,
  "programs are loaded for functions of modules",
  {
    ...TRAMPOLINES,
    needs: "programs for functions of modules",
    since: process.arch === "arm64" ? "6.0" : "5.11",
    config: [
      ...(TRAMPOLINES.config as string[]),
      "CONFIG_NF_CONNTRACK",
      "CONFIG_DEBUG_INFO_BTF_MODULES",
    ],
    module: MODULE,
  },
  async () => {
    await assertNothingLeft(() => {
      for (const target of [FUNCTION, `${MODULE}:${FUNCTION}`]) {
        using bpf = object(`fexit/${target}`, 0).loadSync();
        const info = (bpf.programs["main"] as Program).info();
        // Numbers of a module's types follow those of vmlinux.
        if (!isOlderThan("5.17")) assert.ok(info.attachBtfId >= kernelBtf().typeCount);
      }
      assert.throws(
        () => object(`fexit/vmlinux:${FUNCTION}`, 0).loadSync(),
        /this kernel has no nf_conntrack_in in module vmlinux/,
      );
    });
  },
);

kernelTest(test, "programs are loaded for functions of another program", TRAMPOLINES, async () => {
  await assertNothingLeft(async () => {
    const spec = CollectionSpec.fromFile(fixturePath("freplace.el.o"));
    await using base = await spec.load();
    const outer: Program = base.programs["outer"];
    const only = (name: string): CollectionSpec => {
      for (const program of Object.values(spec.programs)) program.autoload = program.name === name;
      return spec;
    };
    for (const name of ["replacement", "on_return"]) {
      await using bpf = await only(name).load({ targets: { [name]: outer } });
      const program: Program = bpf.programs[name];
      const expected = name === "replacement" ? ProgramType.EXT : ProgramType.TRACING;
      assert.is(program.info().type, expected);
    }
    only("replacement").programs["replacement"].attachTo = "replacable";
    await spec.load({ targets: { replacement: outer } }).then(
      () => assert.unreachable("it was loaded"),
      (error: BpfError) => {
        assert.is(error.code, "ERR_ATTACH_TARGET");
        assert.match(
          error.message,
          'outer has no function replacable; did you mean "replaceable"?',
        );
      },
    );
  });
});

test.run();
