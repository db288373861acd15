/**
 * What a socket of netlink makes of answers that are short, or none of its request's. The kernel gives no such answers: the other end of a
 * pair of sockets does.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { SyscallError } from "../../src/error.ts";
import { type NetlinkAnswer, RouteSocket } from "../../src/sys/netlink.ts";
import { concatenate, writeAttributes } from "../../src/sys/netlink-message.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { hostTest } from "../helper/kernel.ts";
import { withAnswers } from "../helper/netlink.ts";
import { hasCode } from "../links/errors.ts";

const test = suite("sys/netlink");
/** `NLMSG_ERROR`; `NLM_F_CAPPED`, `NLM_F_ACK_TLVS`. */
const ERROR = 2;
const [CAPPED, ACK_TLVS] = [0x100, 0x200];
/** `NLMSG_DONE`, `NLM_F_DUMP_INTR`. */
const DONE = 3;
const DUMP_INTERRUPTED = 0x10;

/** `struct nlmsghdr` and what follows; `length` is what the header says. */
function message(
  { type = ERROR, flags = 0, sequence = 1, length = undefined as number | undefined },
  payload: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const header = new Uint8Array(16);
  const view = viewOf(header);
  view.setUint32(0, length ?? header.length + payload.length, hostLittleEndian);
  view.setUint16(4, type, hostLittleEndian);
  view.setUint16(6, flags, hostLittleEndian);
  view.setUint32(8, sequence, hostLittleEndian);
  return concatenate([header, payload]);
}

/** An errno as the kernel says it, in its place before the header of the request. */
function refusal(errno: number, rest: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setInt32(0, -errno, hostLittleEndian);
  return concatenate([bytes, rest]);
}

/** What the first request of a socket gives when these are the answers. */
function ask(...answers: readonly Uint8Array[]): NetlinkAnswer[] {
  return withAnswers(answers, () => {
    using socket = new RouteSocket();
    return socket.request(16, 0, [], "ask");
  });
}

hostTest(test, "short refusals are errors with their errno", async () => {
  await assertNothingLeft(() => {
    for (const flags of [0, ACK_TLVS, ACK_TLVS | CAPPED]) {
      for (const size of [0, 1, 4, 15, 16, 17]) {
        const answer = message({ flags }, refusal(1, new Uint8Array(size)));
        assert.throws(
          () => ask(answer),
          (error: unknown) => error instanceof SyscallError && /^ask: EPERM\b/.test(error.message),
          `${flags} ${size}`,
        );
      }
    }
    // A request that is said to be longer than the answer.
    const long = refusal(1, new Uint8Array(16).fill(0xff));
    assert.throws(() => ask(message({ flags: ACK_TLVS }, long)), hasCode("EPERM"));
    const told = concatenate([new Uint8Array(16), writeAttributes([[1, "no"]])]);
    const answer = message({ flags: ACK_TLVS | CAPPED }, refusal(1, told));
    assert.throws(() => ask(answer), /^ask \(the kernel says: no\): EPERM/);
  });
});

hostTest(test, "answers that are cut off are errors, and those to others are none", async () => {
  await assertNothingLeft(() => {
    for (const length of [0, 15, 17, 0xffff_ffff]) {
      assert.throws(() => ask(message({ length })), hasCode("ERR_NETLINK"));
    }
    const other = message({ sequence: 7 }, refusal(1));
    const end = message({}, refusal(0));
    assert.equal(ask(other, end), []);
    const [answer] = ask(other, message({ type: 16 }, Uint8Array.of(5)), end);
    assert.equal(answer, { type: 16, payload: Uint8Array.of(5) });
  });
});

hostTest(test, "a list that changed meanwhile is asked for again, a few times", async () => {
  await assertNothingLeft(() => {
    const item = (sequence: number, value: number, flags = 0) =>
      message({ type: 16, sequence, flags }, Uint8Array.of(value));
    const end = (sequence: number, flags = 0) => message({ type: DONE, sequence, flags });
    const first = [item(1, 1, DUMP_INTERRUPTED), end(1)];
    const second = [item(2, 2), end(2, DUMP_INTERRUPTED)];
    const answers = ask(...first, ...second, item(3, 3), item(3, 4), end(3));
    assert.equal(
      answers.map(({ payload }) => payload[0]),
      [3, 4],
    );
    const always = Array.from({ length: 8 }, (_, at) => end(at + 1, DUMP_INTERRUPTED));
    assert.throws(
      () => ask(...always),
      /^ask: what the kernel lists changed while it did, 8 times/,
    );
    assert.throws(() => ask(...always), hasCode("ERR_NETLINK"));
    // A refusal is one, however it is marked.
    const refused = message({ flags: DUMP_INTERRUPTED }, refusal(1));
    assert.throws(() => ask(refused), hasCode("EPERM"));
  });
});

test.run();
