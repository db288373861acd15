/** What a system call that fails leaves, of what is attached to networks, cgroups, sockets and tables. */

import { suite } from "uvu";
import { cgroup, cgroupPrograms } from "../../links/cgroup.ts";
import { lwt } from "../../links/lwt.ts";
import { netfilter } from "../../links/netfilter.ts";
import { flowDissector, namespacePrograms, skLookup } from "../../links/netns.ts";
import { reuseport, socketFilter } from "../../links/socket.ts";
import { sockmap } from "../../links/sockmap.ts";
import { structOps } from "../../links/struct-ops.ts";
import { tc } from "../../links/tc.ts";
import { interfacePrograms, netkit, tcx } from "../../links/tcx.ts";
import { xdp } from "../../links/xdp.ts";
import type { StructOpsMap } from "../../maps/index.ts";
import { alu, type Statement } from "../../src/asm/index.ts";
import { closeAll } from "../../src/close-all.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { mapCreate } from "../../src/sys/bpf.ts";
import { FileDescriptor } from "../../src/sys/fd.ts";
import { native } from "../../src/sys/ffi.ts";
import { AttachType, MapType, ProgramType } from "../../src/uapi.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { hostTest, kernelTest } from "../helper/kernel.ts";
import { inOwnCgroup } from "./cgroups.ts";
import { Counter } from "./counter.ts";
import { inOwnNetwork, makeInterface } from "./network.ts";
import { FEW, sweep, sweepFaults } from "./sweep.ts";

const test = suite("links/faults-network");

/** Makes counting programs that return a number. */
function returning(result: number, type: number, attachType = 0): () => Counter {
  const after: Statement[] = [alu("r0", "=", result)];
  return () => new Counter({ type, attachType, after });
}

hostTest(test, "XDP, by link and by netlink", async () => {
  await inOwnNetwork(async () => {
    const make = returning(2, ProgramType.XDP, AttachType.XDP);
    await sweep(make, (program) => xdp(program, "lo"), FEW);
    await sweep(make, (program) => xdp(program, "lo", { link: false }), FEW);
  });
});

hostTest(
  test,
  "tcx",
  async () => {
    await inOwnNetwork(async () => {
      const { TCX_INGRESS } = AttachType;
      const make = returning(-1, ProgramType.SCHED_CLS, TCX_INGRESS);
      const left = () => interfacePrograms("lo", TCX_INGRESS).programs;
      await sweep(make, (program) => tcx(program, "lo"), { left, ...FEW });
    });
  },
  { needs: "tcx", since: "6.6" },
);

const NETKIT = { needs: "netkit", since: "6.7", config: "CONFIG_NETKIT" };
kernelTest(test, "netkit", NETKIT, async () => {
  await inOwnNetwork(async () => {
    makeInterface("netkit", "kit", []);
    const make = returning(-1, ProgramType.SCHED_CLS, AttachType.NETKIT_PRIMARY);
    await sweep(make, (program) => netkit(program, "kit"), FEW);
  });
});

const CLSACT = {
  needs: "clsact and BPF filters",
  loadable: "sch_ingress",
  config: ["CONFIG_NET_SCH_INGRESS", "CONFIG_NET_CLS_BPF"],
};
hostTest(
  test,
  "tc",
  async () => {
    await inOwnNetwork(async () => {
      const make = returning(0, ProgramType.SCHED_CLS);
      await sweep(make, (program) => tc(program, "lo", { direction: "ingress" }));
    });
  },
  CLSACT,
);

const ROUTES = { needs: "programs of routes", config: "CONFIG_LWTUNNEL_BPF" };
hostTest(
  test,
  "routes",
  async () => {
    await inOwnNetwork(async () => {
      const make = returning(0, ProgramType.LWT_OUT);
      for (const to of ["10.9.0.0/24", "fd09::/64"]) {
        await sweep(make, (program) => lwt(program, to, { interface: "lo", type: "local" }));
      }
    });
  },
  ROUTES,
);

hostTest(test, "cgroups, by link and without", async () => {
  await inOwnCgroup(async (path) => {
    const { CGROUP_INET_EGRESS } = AttachType;
    const make = returning(1, ProgramType.CGROUP_SKB, CGROUP_INET_EGRESS);
    const left = () => cgroupPrograms(path, CGROUP_INET_EGRESS).programs;
    await sweep(make, (program) => cgroup(program, path), { left });
    for (const mode of ["multi", "override", "exclusive"] as const) {
      await sweep(make, (program) => cgroup(program, path, { link: false, mode }), { left });
    }
  });
});

hostTest(test, "network namespaces", async () => {
  await inOwnNetwork(async (namespace) => {
    const { SK_LOOKUP, FLOW_DISSECTOR } = AttachType;
    await sweep(returning(1, ProgramType.SK_LOOKUP, SK_LOOKUP), (program) => skLookup(program), {
      left: () => namespacePrograms(SK_LOOKUP, { namespace }).programs,
    });
    await sweep(
      returning(0, ProgramType.FLOW_DISSECTOR, FLOW_DISSECTOR),
      (program) => flowDissector(program),
      { left: () => namespacePrograms(FLOW_DISSECTOR, { namespace }).programs },
    );
  });
});

const NETFILTER = {
  needs: "netfilter links",
  since: "6.4",
  config: "CONFIG_NETFILTER_BPF_LINK",
};
hostTest(
  test,
  "netfilter",
  async () => {
    await inOwnNetwork(async () => {
      const at = { family: "ipv4", hook: "input", priority: 1 } as const;
      const make = returning(1, ProgramType.NETFILTER, AttachType.NETFILTER);
      await sweep(make, (program) => netfilter(program, at));
    });
  },
  NETFILTER,
);

hostTest(test, "maps of sockets, by link and without", async () => {
  const shape = { type: MapType.SOCKMAP, keySize: 4, valueSize: 4, maxEntries: 2 };
  using fd = mapCreate(shape, "map sockets");
  const map = { name: "sockets", type: MapType.SOCKMAP, fd };
  const make = returning(1, ProgramType.SK_MSG, AttachType.SK_MSG_VERDICT);
  await sweep(make, (program) => sockmap(program, map));
  await sweep(make, (program) => sockmap(program, map, { link: false }));
});

hostTest(test, "sockets", async () => {
  await inOwnNetwork(async () => {
    using socket = new FileDescriptor(native().socket(2, 2, 0), "socket");
    const make = returning(0, ProgramType.SOCKET_FILTER);
    await sweep(make, (program) => socketFilter(program, socket.number));
    // SO_REUSEPORT
    const one = new Int32Array(new ArrayBuffer(4)).fill(1);
    native().setsockopt(socket.number, 1, 15, native().address(one), 4);
    await sweep(make, (program) => reuseport(program, socket.number));
  });
});

const TABLES = {
  needs: "links of struct_ops",
  since: "6.4",
  config: ["CONFIG_DEBUG_INFO_BTF", "CONFIG_BPF_JIT", "CONFIG_INET"],
};
hostTest(
  test,
  "function tables, by link and without",
  async () => {
    const load = (name: string) => {
      const spec = CollectionSpec.fromFile(fixturePath("congestion.el.o"));
      for (const map of ["counting", "linked", "other"]) spec.maps[map]!.autocreate = map === name;
      return spec.loadSync();
    };
    using bpf = load("linked");
    const linked = bpf.maps["linked"] as StructOpsMap;
    await sweepFaults(
      () => structOps(linked),
      (link) => link.info(),
      { left: () => linked.state() },
    );
    // Such a table can be registered once.
    const once = Array.from({ length: 8 }, () => load("counting"));
    const tables = once.map(({ maps }) => maps["counting"] as StructOpsMap);
    const next = tables.values();
    await sweepFaults(
      () => structOps(next.next().value as StructOpsMap),
      () => {},
      { left: () => tables.filter((table) => table.state() === "in use").length, ...FEW },
    );
    closeAll(once);
  },
  TABLES,
);

test.run();
