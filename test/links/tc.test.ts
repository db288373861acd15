import { suite } from "uvu";
import * as assert from "uvu/assert";
import { interfaceHeader } from "../../links/interface.ts";
import type { Link } from "../../links/link.ts";
import { attachTc, type TcOptions, tc } from "../../links/tc.ts";
import { PARENTS, tcmsg } from "../../links/tc-filter.ts";
import { alu, load } from "../../src/asm/index.ts";
import { SyscallError, UnsupportedError } from "../../src/error.ts";
import { type NetlinkAnswer, NetlinkFlag, RouteSocket } from "../../src/sys/netlink.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { type KernelNeeds, kernelTest } from "../helper/kernel.ts";
import { Counter } from "./counter.ts";
import { hasCode, isA, isTarget } from "./errors.ts";
import { indexOf, inOwnNetwork, sendDatagram } from "./network.ts";

const test = suite("links/tc");
const CLSACT: KernelNeeds = {
  needs: "clsact and BPF filters",
  loadable: "sch_ingress",
  config: ["CONFIG_NET_SCH_INGRESS", "CONFIG_NET_CLS_BPF"],
};
const DATAGRAM = 14n + 20n + 8n + 7n;
/** include/uapi/linux/rtnetlink.h. */
const NEW_FILTER = 44;
const DELETE_FILTER = 45;
const GET_FILTER = 46;

/** Counts packets, keeps the length of the last, and lets the next filter decide (`TC_ACT_UNSPEC`). */
function counter(attachType = 0): Counter {
  return new Counter({
    type: ProgramType.SCHED_CLS,
    attachType,
    before: [load("r7", "u32", "r6", 0)],
    after: [alu("r0", "=", -1)],
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

/** `tc filter del dev lo ingress`: all of them. */
function removeFilters(): void {
  using socket = new RouteSocket();
  const where = tcmsg({ index: indexOf("lo"), handle: 0, parent: PARENTS.ingress, info: 0 });
  socket.request(DELETE_FILTER, 0, [where], "remove all filters");
}

kernelTest(test, "a filter that took the place of one that was removed stays", CLSACT, async () => {
  await assertNothingLeft(async () => {
    await inOwnNetwork(async () => {
      using first = counter();
      using second = counter();
      const removed = tc(first.program, "lo", { direction: "ingress" });
      removeFilters();
      assert.throws(() => removed.update(first.program), hasCode("ENOLINK"));
      await sendDatagram();
      assert.is(first.count, 0, "it was not made again");
      const there = tc(second.program, "lo", { direction: "ingress" });
      assert.throws(() => removed.update(first.program), /somebody put another in its place/);
      removed.close();
      await sendDatagram();
      assert.equal([first.count, second.count], [0, 1]);
      there.close();
      await sendDatagram();
      assert.is(second.count, 1);
      assert.ok(disciplines().includes("clsact"), "the second did not make it");
    });
  });
});

type Request = Parameters<RouteSocket["request"]>;

/** A socket of a kernel that does not tell what it made, while somebody else attaches, too: just before, and just after. */
class RivalledSocket extends RouteSocket {
  readonly #rival: () => void;

  constructor(rival: () => void) {
    super();
    this.#rival = rival;
  }

  override request(...[type, flags, ...rest]: Request): NetlinkAnswer[] {
    if (type !== NEW_FILTER) return super.request(type, flags, ...rest);
    this.#rival();
    const answers = super.request(type, flags & ~NetlinkFlag.ECHO, ...rest);
    this.#rival();
    return answers;
  }
}

kernelTest(
  test,
  "of two that attach one program at once, each has its own filter, and removes that only",
  CLSACT,
  async () => {
    await assertNothingLeft(async () => {
      await inOwnNetwork(async () => {
        using program = counter();
        using another = counter();
        const direction = "ingress";
        // Whoever made the discipline leaves it to others that use it.
        using maker = tc(another.program, "lo", { direction: "egress" });
        const attach = (options: TcOptions, rival: () => void): Link => {
          const routeSocket = () => new RivalledSocket(rival);
          return attachTc(program.program, "lo", { direction, ...options }, { routeSocket });
        };
        const runs = async (): Promise<number> => {
          const { count } = program;
          await sendDatagram();
          return program.count - count;
        };
        // What is left open: the priority, the handle, both or neither.
        for (const options of [{}, { priority: 7 }, { handle: 5 }, { priority: 9, handle: 4 }]) {
          const text = JSON.stringify(options);
          const others: Link[] = [];
          const isOpen = options.priority === undefined || options.handle === undefined;
          const rival = () => {
            if (!isOpen || others.length === 3) return;
            others.push(tc(program.program, "lo", { direction, ...options }));
          };
          const own = attach(options, rival);
          assert.is(await runs(), others.length + 1, text);
          own.close();
          assert.is(await runs(), others.length, text);
          for (const other of others) other.close();
          assert.is(await runs(), 0, text);
        }
        maker.close();
        assert.not(disciplines().includes("clsact"));
      });
    });
  },
);

kernelTest(
  test,
  "later ones go before those that are there, as the kernel has it",
  CLSACT,
  async () => {
    await inOwnNetwork(async () => {
      // The first that lets the packet pass (TC_ACT_OK) ends the list.
      using first = new Counter({ type: ProgramType.SCHED_CLS });
      using second = new Counter({ type: ProgramType.SCHED_CLS });
      using _first = tc(first.program, "lo", { direction: "egress" });
      using _second = tc(second.program, "lo", { direction: "egress" });
      await sendDatagram();
      assert.equal([first.count, second.count], [0, 1]);
    });
  },
);

kernelTest(test, "what cannot be listed leaves no filter and no discipline", CLSACT, async () => {
  await assertNothingLeft(async () => {
    await inOwnNetwork(async () => {
      using program = counter();
      let refusals = 1;
      class Refusing extends RouteSocket {
        override request(...[type, flags, ...rest]: Request): NetlinkAnswer[] {
          if (type !== GET_FILTER || refusals-- <= 0) {
            return super.request(type, flags & ~NetlinkFlag.ECHO, ...rest);
          }
          throw new SyscallError("test", { errno: 105, syscall: "netlink" });
        }
      }
      const kernel = { routeSocket: () => new Refusing() };
      const attach = () => attachTc(program.program, "lo", { direction: "ingress" }, kernel);
      assert.throws(attach, hasCode("ENOBUFS"));
      await sendDatagram();
      assert.is(program.count, 0);
      assert.not(disciplines().includes("clsact"));
      attach().close();
    });
  });
});

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
