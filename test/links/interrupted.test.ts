import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AttachableProgram } from "../../links/arguments.ts";
import { cgroup, cgroupPrograms } from "../../links/cgroup.ts";
import { xdpPrograms } from "../../links/interface.ts";
import { Link } from "../../links/link.ts";
import { socketFilter } from "../../links/socket.ts";
import { attachSockmap } from "../../links/sockmap.ts";
import { tc } from "../../links/tc.ts";
import { xdp } from "../../links/xdp.ts";
import { alu } from "../../src/asm/index.ts";
import { mapCreate } from "../../src/sys/bpf.ts";
import { FileDescriptor } from "../../src/sys/fd.ts";
import { native } from "../../src/sys/ffi.ts";
import { openFile } from "../../src/sys/file.ts";
import { RouteSocket } from "../../src/sys/netlink.ts";
import { AttachType, MapType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { inOwnCgroup } from "./cgroups.ts";
import { Counter } from "./counter.ts";
import { indexOf, inOwnNetwork, sendDatagram } from "./network.ts";
import { kernelBefore59 } from "./old-kernel.ts";

/** What stays when a step in the middle of attaching, replacing or closing fails. */
const test = suite("links/interrupted");
const NO_DESCRIPTOR = /no descriptor is left/;

/** The same program in a process that has no descriptor left for another handle of it. */
function withoutDescriptors<P extends AttachableProgram>(program: P): P {
  program.fd.duplicate = () => {
    throw new Error("no descriptor is left");
  };
  return program;
}

function datagrams(): Counter {
  const attachType = AttachType.CGROUP_INET_EGRESS;
  return new Counter({ type: ProgramType.CGROUP_SKB, attachType, after: [alu("r0", "=", 1)] });
}

function packets(): Counter {
  return new Counter({
    type: ProgramType.XDP,
    attachType: AttachType.XDP,
    after: [alu("r0", "=", 2)],
  });
}

kernelTest(test, "a cgroup has no program that nobody could detach", async () => {
  await assertNothingLeft(async () => {
    await inOwnCgroup((path) => {
      const ids = (): number[] =>
        cgroupPrograms(path, AttachType.CGROUP_INET_EGRESS).programs.map(({ id }) => id);
      using first = datagrams();
      using second = datagrams();
      const unusable = withoutDescriptors(second.program);
      assert.throws(() => cgroup(unusable, path, { link: false }), NO_DESCRIPTOR);
      assert.equal(ids(), []);
      using link = cgroup(first.program, path, { link: false });
      assert.throws(() => link.update(unusable), NO_DESCRIPTOR);
      assert.equal(ids(), [first.program.id]);
    });
  });
});

kernelTest(test, "an interface has no XDP program that nobody could detach", async () => {
  await assertNothingLeft(async () => {
    await inOwnNetwork(() => {
      const attached = (): number => {
        using socket = new RouteSocket();
        return xdpPrograms(socket, indexOf("lo")).skb;
      };
      using first = packets();
      using second = packets();
      const unusable = withoutDescriptors(second.program);
      assert.throws(() => xdp(unusable, "lo", { link: false, mode: "skb" }), NO_DESCRIPTOR);
      assert.is(attached(), 0);
      using link = xdp(first.program, "lo", { link: false, mode: "skb" });
      assert.throws(() => link.update(unusable), NO_DESCRIPTOR);
      assert.is(attached(), first.program.id);
    });
  });
});

kernelTest(test, "a map of sockets and a socket have no program that nobody could detach", () => {
  using message = new Counter({
    type: ProgramType.SK_MSG,
    attachType: AttachType.SK_MSG_VERDICT,
    after: [alu("r0", "=", 1)],
  });
  using map = mapCreate(
    { type: MapType.SOCKMAP, keySize: 4, valueSize: 4, maxEntries: 2 },
    "map sockets",
  );
  const target = { name: "sockets", type: MapType.SOCKMAP, fd: map };
  let calls = 0;
  const kernel = { ...kernelBefore59, programAttach: () => void calls++ };
  const unusable = withoutDescriptors(message.program);
  assert.throws(() => attachSockmap(unusable, target, {}, kernel), NO_DESCRIPTOR);
  assert.is(calls, 0);

  using filter = new Counter({ type: ProgramType.SOCKET_FILTER });
  using socket = new FileDescriptor(native().socket(2, 2, 0), "socket");
  assert.throws(
    () => socketFilter(withoutDescriptors(filter.program), socket.number),
    NO_DESCRIPTOR,
  );
  // A socket without a filter has nothing to detach.
  assert.is(native().setsockopt(socket.number, 1, 27, native().address(new ArrayBuffer(4)), 4), -1);
});

const CLSACT = {
  needs: "clsact and BPF filters",
  loadable: "sch_ingress",
  config: ["CONFIG_NET_SCH_INGRESS", "CONFIG_NET_CLS_BPF"],
};
kernelTest(test, "tc that fails leaves alone what others put there meanwhile", CLSACT, async () => {
  await assertNothingLeft(async () => {
    await inOwnNetwork(async () => {
      using own = new Counter({ type: ProgramType.SCHED_CLS });
      using other = new Counter({ type: ProgramType.SCHED_CLS });
      let link: Link | undefined;
      const { name, type, attachType, attachTo } = own.program;
      const fd = {
        get number(): number {
          link = tc(other.program, "lo", { direction: "ingress" });
          throw new Error("in the middle");
        },
      } as FileDescriptor;
      const failing = { name, type, attachType, attachTo, fd };
      assert.throws(() => tc(failing, "lo", { direction: "egress" }), /in the middle/);
      await sendDatagram();
      assert.is(other.count, 1);
      link?.close();
      await sendDatagram();
      assert.is(other.count, 1);
    });
  });
});

kernelTest(test, "what is to be removed at the end is, although closing fails", async () => {
  for (const close of [(link: Link) => link.close(), (link: Link) => link.closeAsync()]) {
    const fd = openFile("/dev/null");
    native().close(fd.number);
    let removed = 0;
    const link = new Link({
      kind: "kprobe",
      description: "count to kprobe vfs_open",
      fd,
      isKernelLink: true,
      afterClose: { now: () => void removed++, soon: async () => void removed++ },
    });
    const closing = async (): Promise<void> => close(link);
    const error = await closing().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.match(String(error), /which something else has closed by its number/);
    assert.is(removed, 1);
  }
});

test.run();
