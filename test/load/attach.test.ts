import { spawnSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createMap } from "../../maps/index.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { MapType } from "../../src/uapi.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { isOlderThan, kernelTest } from "../helper/kernel.ts";
import { inOwnCgroup } from "../links/cgroups.ts";
import { inOwnNetwork } from "../links/network.ts";

const attaching = suite("load: attach by section");

function read(name: string): CollectionSpec {
  return CollectionSpec.fromFile(fixturePath(name));
}

kernelTest(
  attaching,
  "tracepoint, raw tracepoint and BTF tracepoint programs run, and stop",
  async () => {
    await assertNothingLeft(async () => {
      for (const name of ["raw-tracepoint.el.o", "tp-btf.el.o"]) {
        const spec = read(name);
        // What others do may end while it is looked at.
        spec.variables["target_pid"]?.set(process.pid);
        spec.variables["target_parent"]?.set(process.pid);
        await using bpf = await spec.load();
        const links = bpf.attach();
        assert.ok(links.size > 0, name);
        assert.equal(links.skipped, []);
        const values = (): unknown[] =>
          Object.values(bpf.variables).map((variable) => variable.get());
        const before = values();
        spawnSync("true");
        assert.not.equal(values(), before, `${name}: nothing was counted`);
        await links.closeAsync();
        const after = values();
        spawnSync("true");
        assert.equal(values(), after, `${name}: it goes on after detaching`);
      }
    });
  },
);

kernelTest(
  attaching,
  "uprobes: the one whose section names a place is attached, the others are skipped with a reason",
  async () => {
    const spec = read("uprobe.el.o");
    spec.variables["target_pid"]!.set(process.pid);
    await using bpf = await spec.load();
    await using links = bpf.attach();
    assert.equal([...links.byProgram.keys()], ["on_getppid"]);
    assert.equal(links.skipped.map(({ program }) => program).sort(), ["on_entry", "on_return"]);
    for (const { reason } of links.skipped) assert.match(reason, /names no target/);
    void process.ppid;
    assert.ok((bpf.variables["libc_calls"]!.get() as bigint) > 0n);
  },
);

kernelTest(
  attaching,
  "programs without a place in their section are skipped, or an error is thrown",
  async () => {
    const spec = read("raw-tracepoint.el.o");
    for (const program of Object.values(spec.programs)) program.attachTo = "no_such_tracepoint";
    await using bpf = await spec.load();
    assert.throws(() => bpf.attach(), /no_such_tracepoint/);
    const links = bpf.attach({ onError: "skip" });
    assert.is(links.size, 0);
    assert.ok(links.skipped.length > 0);
    for (const { error, reason } of links.skipped) {
      assert.instance(error, Error);
      assert.match(reason, /no_such_tracepoint/);
    }
  },
);

kernelTest(
  attaching,
  "programs whose sections name no place go where the caller says, or are skipped with what would help",
  async () => {
    await assertNothingLeft(async () => {
      const spec = read("sections.el.o");
      const wanted = {
        on_xdp: "xdp",
        on_tc: isOlderThan("6.6") ? "tc" : "tcx",
        on_cgroup_skb_egress: "cgroup",
        on_cgroup_skb: "cgroup",
        on_sk_lookup: "sk_lookup",
        on_sk_msg: "sk_msg",
        on_perf_event: "perf_event",
        on_iter_task: "iter",
        on_iter_bpf_map_elem: "iter",
        on_lwt_xmit: "lwt",
      };
      const lacking = {
        on_xdp: "interface",
        on_tc: "direction",
        on_cgroup_skb_egress: "cgroup",
        on_cgroup_skb: "direction",
        on_sk_lookup: "namespace",
        on_sk_msg: "map",
        on_perf_event: "sampling",
        on_iter_bpf_map_elem: "map",
        on_lwt_xmit: "route",
      };
      const unplaced = { on_socket: /socketFilter/, on_sk_reuseport: /reuseport/ };
      const names = [...Object.keys(wanted), ...Object.keys(unplaced)];
      for (const [name, program] of Object.entries(spec.programs)) {
        program.autoload = names.includes(name);
      }
      await using bpf = await spec.load();
      {
        using links = bpf.attach();
        assert.equal([...links.byProgram.keys()], ["on_iter_task"]);
        const places = links.skipped.flatMap(({ program, place }) =>
          place === undefined ? [] : [[program, place]],
        );
        assert.equal(Object.fromEntries(places), lacking);
        const reasons = links.skipped.map(({ reason }) => reason);
        assert.ok(
          reasons.includes("section xdp does not say where: attach({ interface: … }) does"),
          reasons.join("\n"),
        );
      }
      await inOwnNetwork(async (namespace) => {
        await inOwnCgroup((cgroup) => {
          using map = createMap({
            name: "sockets",
            type: MapType.SOCKMAP,
            keySize: 4,
            valueSize: 4,
            maxEntries: 1,
          });
          using links = bpf.attach({
            onError: "skip",
            interface: "lo",
            direction: "egress",
            cgroup,
            namespace,
            sampling: {},
            map,
            route: { to: "10.9.0.0/24", interface: "lo" },
          });
          const kinds = [...links.byProgram].map(([name, { kind }]) => [name, kind]);
          const { on_iter_bpf_map_elem: _, ...others } = wanted;
          assert.equal(Object.fromEntries(kinds), others);
          const { size } = links;
          assert.is(links.skipped.length, names.length - size);
          // It walks other maps than those of sockets.
          const walker = links.skipped.find(({ program }) => program === "on_iter_bpf_map_elem");
          assert.instance(walker?.error, Error);
          for (const [name, pattern] of Object.entries(unplaced)) {
            const found = links.skipped.find(({ program }) => program === name);
            assert.match(String(found?.reason), pattern);
          }
        });
      });
    });
  },
);

kernelTest(
  attaching,
  "section tc/ingress: tcx, or tc where there is none",
  { needs: "clsact and BPF filters", config: ["CONFIG_NET_SCH_INGRESS", "CONFIG_NET_CLS_BPF"] },
  async () => {
    const spec = read("sections-new.el.o");
    for (const [name, program] of Object.entries(spec.programs)) {
      program.autoload = name === "on_tc_ingress";
    }
    await using bpf = await spec.load();
    await inOwnNetwork(() => {
      using links = bpf.attach({ interface: "lo" });
      assert.is(links.byProgram.get("on_tc_ingress")?.kind, isOlderThan("6.6") ? "tc" : "tcx");
      assert.throws(
        () => bpf.attach({ pid: process.pid, interface: "lo", direction: "ingress" }),
        /^attach programs: no loaded program takes direction or pid; they take interface$/,
      );
      assert.throws(() => bpf.attach(null as unknown as object), /the options are null/);
      const place = { interfce: "lo" } as object;
      assert.throws(() => bpf.attach(place), /unknown option "interfce"; did you mean "interface"/);
    });
  },
);

attaching.run();
