import { suite } from "uvu";
import * as assert from "uvu/assert";
import { interfaces } from "../../links/interface.ts";
import { interfacePrograms, netkit, tcx } from "../../links/tcx.ts";
import { alu, load } from "../../src/asm/index.ts";
import { UnsupportedError } from "../../src/error.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { Counter } from "./counter.ts";
import { hasCode, isA, isTarget } from "./errors.ts";
import {
  addAddress,
  indexOf,
  inOwnNetwork,
  makeInterface,
  raise,
  sendDatagram,
} from "./network.ts";

const test = suite("links/tcx");

/** `TCX_NEXT`: the next program decides. */
const next = [alu("r0", "=", -1)];
const DATAGRAM = 14n + 20n + 8n + 7n;
const TCX = { needs: "tcx", since: "6.6" };

/** Counts packets, and keeps the length of the last. */
function counter(attachType: number = AttachType.TCX_INGRESS): Counter {
  const before = [load("r7", "u32", "r6", 0)];
  return new Counter({ type: ProgramType.SCHED_CLS, attachType, before, after: next });
}

for (const direction of ["ingress", "egress"] as const) {
  kernelTest(test, `${direction}: it sees packets, is updated, and stops`, TCX, async () => {
    const attachType = AttachType[direction === "ingress" ? "TCX_INGRESS" : "TCX_EGRESS"];
    await assertNothingLeft(async () => {
      await inOwnNetwork(async () => {
        using first = counter(attachType);
        using second = counter(attachType);
        using link = tcx(first.program, "lo");
        assert.is(link.description, `count to tcx ${direction} of lo`);
        await sendDatagram();
        assert.is(first.count, 1);
        assert.is(first.kept, DATAGRAM);
        const { details } = link.info();
        assert.equal(details, { kind: "tcx", interface: indexOf("lo"), attachType });

        link.update(second.program, { expected: first.program });
        assert.throws(
          () => link.update(second.program, { expected: first.program }),
          hasCode("EPERM"),
        );
        await sendDatagram();
        assert.is(first.count, 1);
        assert.is(second.count, 1);

        link.close();
        await sendDatagram();
        assert.is(second.count, 1);
      });
    });
  });
}

kernelTest(test, "anchors say the order, and a revision which list", TCX, async () => {
  await inOwnNetwork(() => {
    using first = counter();
    using second = counter();
    using third = counter();
    using one = tcx(first.program, "lo");
    using two = tcx(second.program, "lo", { before: first.program });
    using three = tcx(third.program, "lo", { after: two });
    const { programs, revision } = interfacePrograms("lo", AttachType.TCX_INGRESS);
    assert.equal(
      programs,
      [two, three, one].map((link) => ({ id: link.info().programId, linkId: link.info().id })),
    );
    three.close();
    const late = { expectedRevision: revision };
    assert.throws(() => tcx(third.program, "lo", late), hasCode("ESTALE"));
    using _first = tcx(third.program, "lo", { before: "all", expectedRevision: revision + 1n });
    assert.throws(() => tcx(third.program, "lo", { before: two, after: two }), isA(TypeError));
    two.close();
    using fourth = counter();
    const gone = { after: second.program };
    assert.throws(() => tcx(fourth.program, "lo", gone), hasCode("ENOENT"));
  });
});

kernelTest(test, "misuse is named", async () => {
  await inOwnNetwork(() => {
    using program = counter(0);
    assert.throws(() => tcx(program.program, "lo"), /say ingress or egress/);
    assert.throws(() => netkit(program.program, "lo"), /say primary or peer/);
    assert.throws(() => tcx(program.program, "l0", { direction: "ingress" }), isTarget("ENOENT"));
    const sideways = { direction: "sideways" as "ingress" };
    assert.throws(() => tcx(program.program, "lo", sideways), isA(TypeError));
  });
});

kernelTest(test, "a kernel without tcx says since when there is", async () => {
  await inOwnNetwork(() => {
    using program = counter(0);
    const attempt = (): unknown => tcx(program.program, "lo", { direction: "ingress" });
    try {
      (attempt() as Disposable)[Symbol.dispose]();
    } catch (error) {
      assert.instance(error, UnsupportedError);
      assert.is((error as UnsupportedError).since, "6.6");
      assert.match(String(error), /`tc` attaches by netlink/);
    }
  });
});

kernelTest(
  test,
  "netkit: it sees what each of the pair sends, is updated, and stops",
  { needs: "netkit", since: "6.7", config: "CONFIG_NETKIT" },
  async () => {
    await inOwnNetwork(async () => {
      makeInterface("netkit", "kit", []);
      using primary = counter(AttachType.NETKIT_PRIMARY);
      using other = counter(AttachType.NETKIT_PRIMARY);
      using peer = counter(AttachType.NETKIT_PEER);
      using link = netkit(primary.program, "kit");
      using _peer = netkit(peer.program, "kit");
      assert.is(link.info().details.kind, "netkit");
      const { programs } = interfacePrograms("kit", AttachType.NETKIT_PRIMARY);
      assert.equal(programs, [{ id: link.info().programId, linkId: link.info().id }]);
      assert.throws(() => netkit(primary.program, "lo", { side: "primary" }), /no netkit device/);
      for (const { name } of interfaces()) raise(name);
      addAddress("kit", [10, 9, 0, 1]);
      await sendDatagram("10.9.0.2");
      assert.ok(primary.count > 0);
      link.update(other.program, { expected: primary.program });
      const before = primary.count;
      await sendDatagram("10.9.0.2");
      assert.is(primary.count, before);
      assert.ok(other.count > 0);
      link.close();
      const last = other.count;
      await sendDatagram("10.9.0.2");
      assert.is(other.count, last);
    });
  },
);

test.run();
