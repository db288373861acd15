import { suite } from "uvu";
import * as assert from "uvu/assert";
import { interfaceHeader } from "../../links/interface.ts";
import type { Link } from "../../links/link.ts";
import { attachTc, type TcOptions, tc } from "../../links/tc.ts";
import { load } from "../../src/asm/index.ts";
import { UnsupportedError } from "../../src/error.ts";
import { NetlinkFlag, RouteSocket } from "../../src/sys/netlink.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { type KernelNeeds, kernelTest } from "../helper/kernel.ts";
import { Counter } from "./counter.ts";
import { hasCode, isA, isTarget } from "./errors.ts";
import { indexOf, inOwnNetwork, sendDatagram } from "./network.ts";
import { kernelWithoutEcho } from "./old-kernel.ts";

const test = suite("links/tc");
const CLSACT: KernelNeeds = {
  needs: "clsact and BPF filters",
  loadable: "sch_ingress",
  config: ["CONFIG_NET_SCH_INGRESS", "CONFIG_NET_CLS_BPF"],
};
const DATAGRAM = 14n + 20n + 8n + 7n;

/** Counts packets, keeps the length of the last, and lets the next filter decide (`TC_ACT_UNSPEC`). */
function counter(attachType = 0): Counter {
  return new Counter({
    type: ProgramType.SCHED_CLS,
    attachType,
    before: [load("r7", "u32", "r6", 0)],
    after: [],
  });
}

/** Kinds of the queueing disciplines of the namespace. */
function disciplines(): string[] {
  using socket = new RouteSocket();
  const message = new Uint8Array(20);
  message.set(interfaceHeader(indexOf("lo")).subarray(4, 8), 4);
  return socket
    .request(38, NetlinkFlag.DUMP, [message], "list disciplines")
    .map(
      ({ payload }) =>
        /clsact|noqueue|ingress/.exec(Buffer.from(payload).toString("latin1"))?.[0] ?? "",
    );
}

for (const direction of ["ingress", "egress"] as const) {
  for (const options of [{ direction }, { direction, priority: 7, handle: 3 }] as TcOptions[]) {
    const name = `${direction}${options.handle === undefined ? "" : ", priority and handle"}`;
    kernelTest(
      test,
      `${name}: it sees packets, is replaced, and leaves nothing`,
      CLSACT,
      async () => {
        await assertNothingLeft(async () => {
          await inOwnNetwork(async () => {
            using first = counter();
            using second = counter();
            const link = tc(first.program, "lo", options);
            assert.is(link.description, `count to tc ${direction} of lo`);
            assert.ok(link.outlivesProcess);
            await sendDatagram();
            assert.is(first.count, 1);
            assert.is(first.kept, DATAGRAM);
            if (options.handle !== undefined) {
              assert.throws(() => tc(second.program, "lo", options), hasCode("EEXIST"));
            }
            link.update(second.program);
            await sendDatagram();
            assert.is(first.count, 1);
            assert.is(second.count, 1);
            assert.ok(disciplines().includes("clsact"));
            link.close();
            await sendDatagram();
            assert.is(second.count, 1);
            assert.not(disciplines().includes("clsact"));
            link.close();
          });
        });
      },
    );
  }
}

kernelTest(
  test,
  "where the kernel does not tell what it made, that is found, and only that removed",
  CLSACT,
  async () => {
    await assertNothingLeft(async () => {
      await inOwnNetwork(async () => {
        using first = counter();
        using second = counter();
        const direction = "ingress";
        const attach = (one: Counter, options: TcOptions = {}): Link =>
          attachTc(one.program, "lo", { direction, ...options }, kernelWithoutEcho);
        using other = attach(second);
        // Kernels choose the priority, the handle, both or neither.
        for (const options of [{}, { priority: 7 }, { handle: 5 }, { priority: 9, handle: 4 }]) {
          const text = JSON.stringify(options);
          const link = attach(first, options);
          const { count } = first;
          await sendDatagram();
          assert.is(first.count, count + 1, text);
          link.close();
          await sendDatagram();
          assert.is(first.count, count + 1, text);
        }
        // Twice the same, of which one is left.
        const links = [attach(first), attach(first)];
        links[0]?.close();
        const { count } = first;
        await sendDatagram();
        assert.is(first.count, count + 1);
        links[1]?.close();
        const others = second.count;
        await sendDatagram();
        assert.equal([first.count, second.count], [count + 1, others + 1]);
        other.close();
        assert.not(disciplines().includes("clsact"));
      });
    });
  },
);

kernelTest(
  test,
  "what others made stays: a discipline, and filters in one that was made here",
  CLSACT,
  async () => {
    await inOwnNetwork(async () => {
      using first = counter(AttachType.TCX_INGRESS);
      using second = counter(AttachType.TCX_EGRESS);
      const outer = tc(first.program, "lo");
      const inner = tc(second.program, "lo");
      outer.close();
      assert.ok(disciplines().includes("clsact"), "the second filter is in it");
      await sendDatagram();
      assert.is(first.count, 0);
      assert.is(second.count, 1);
      inner.close();
      assert.ok(disciplines().includes("clsact"), "the second did not make it");
      assert.throws(() => outer.pin("/sys/fs/bpf/no"), /it was closed/);
    });
  },
);

kernelTest(
  test,
  "an interface that has gone takes the filter along; closing is no error",
  CLSACT,
  async () => {
    const program = counter();
    let link: Disposable | undefined;
    await inOwnNetwork(() => {
      link = tc(program.program, "lo", { direction: "ingress" });
      assert.throws(
        () => (link as ReturnType<typeof tc>).pin("/sys/fs/bpf/no"),
        isA(UnsupportedError),
      );
    });
    // This thread is elsewhere now; the link knows its own namespace.
    link?.[Symbol.dispose]();
    program[Symbol.dispose]();
  },
);

kernelTest(test, "misuse is named", async () => {
  await inOwnNetwork(() => {
    using program = counter();
    assert.throws(() => tc(program.program, "lo"), /say ingress or egress/);
    assert.throws(() => tc(program.program, "l0", { direction: "ingress" }), isTarget("ENOENT"));
    for (const priority of [0, 65_536, 1.5]) {
      assert.throws(
        () => tc(program.program, "lo", { direction: "egress", priority }),
        isA(RangeError),
      );
    }
  });
});

test.run();
