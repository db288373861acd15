import { suite } from "uvu";
import * as assert from "uvu/assert";
import { netfilter } from "../../links/netfilter.ts";
import { alu } from "../../src/asm/index.ts";
import { UnsupportedError } from "../../src/error.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { type KernelNeeds, kernelTest } from "../helper/kernel.ts";
import { Counter } from "./counter.ts";
import { hasCode, isA } from "./errors.ts";
import { inOwnNetwork, sendDatagram } from "./network.ts";

const test = suite("links/netfilter");
const NETFILTER: KernelNeeds = {
  needs: "netfilter links",
  since: "6.4",
  config: "CONFIG_NETFILTER_BPF_LINK",
};

/** `NF_DROP`, `NF_ACCEPT`. */
function counter(verdict: 0 | 1): Counter {
  return new Counter({
    type: ProgramType.NETFILTER,
    attachType: AttachType.NETFILTER,
    after: [alu("r0", "=", verdict)],
  });
}

kernelTest(test, "it sees packets, refuses them, and stops", NETFILTER, async () => {
  await assertNothingLeft(async () => {
    await inOwnNetwork(async () => {
      using accepting = counter(1);
      using dropping = counter(0);
      const link = netfilter(accepting.program, { family: "ipv4", hook: "input", priority: -5 });
      assert.is(link.description, "count to netfilter ipv4 input");
      assert.equal(link.info().details, {
        kind: "netfilter",
        protocolFamily: 2,
        hook: 1,
        priority: -5,
        flags: 0,
      });
      await sendDatagram();
      assert.is(accepting.count, 1);

      using refusal = netfilter(dropping.program, { family: "ipv4", hook: "output" });
      assert.is(await outcome(), "EPERM");
      assert.is(dropping.count, 1);
      assert.is(accepting.count, 1);
      assert.throws(() => refusal.update(accepting.program), isA(UnsupportedError));
      refusal.close();

      await sendDatagram();
      assert.is(accepting.count, 2);
      link.close();
      await sendDatagram();
      assert.is(accepting.count, 2);
    });
  });
});

kernelTest(
  test,
  "a priority that is taken or reserved, and misuse, are named",
  NETFILTER,
  async () => {
    await inOwnNetwork(() => {
      using program = counter(1);
      const at = { family: "ipv6", hook: "forward", priority: 1 } as const;
      using _link = netfilter(program.program, at);
      assert.throws(() => netfilter(program.program, at), /a program has priority 1 there/);
      const first = { ...at, priority: -(2 ** 31) };
      assert.throws(() => netfilter(program.program, first), hasCode("ERANGE"));
      assert.throws(
        () => netfilter(program.program, { ...at, priority: 2 ** 31 }),
        isA(RangeError),
      );
      const nowhere = { ...at, hook: "ingress" as "input" };
      assert.throws(() => netfilter(program.program, nowhere), /none of prerouting, input/);
    });
  },
);

async function outcome(): Promise<unknown> {
  try {
    await sendDatagram();
    return "sent";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

test.run();
