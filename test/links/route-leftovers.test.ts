/**
 * Lists of routes that change while the kernel gives them, which they seldom do: the other end of a pair of sockets says so.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { leftRoutes, signedName } from "../../links/route-leftovers.ts";
import {
  ENCAP_BPF,
  HOOKS,
  NEW_ROUTE,
  PROGRAM_NAME,
  RTA,
  RTMSG,
} from "../../links/route-message.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { concatenate, writeAttributes } from "../../src/sys/netlink-message.ts";
import { ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { hostTest } from "../helper/kernel.ts";
import { withAnswers } from "../helper/netlink.ts";

const test = suite("links/route-leftovers");
/** `NLMSG_DONE`, `NLM_F_DUMP_INTR`. */
const DONE = 3;
const DUMP_INTERRUPTED = 0x10;
/** More than there can be. */
const ENDED = 0x3fff_ffff;

/** `struct nlmsghdr` and what follows. */
function message(type: number, sequence: number, flags: number, payload: Uint8Array): Uint8Array {
  const header = new Uint8Array(16);
  const view = viewOf(header);
  view.setUint32(0, header.length + payload.length, hostLittleEndian);
  view.setUint16(4, type, hostLittleEndian);
  view.setUint16(6, flags, hostLittleEndian);
  view.setUint32(8, sequence, hostLittleEndian);
  return concatenate([header, payload]);
}

/** A route to 10.0.0.LAST with a program of a process, and its table. */
function route(sequence: number, last: number, pid: number = ENDED): Uint8Array {
  const header = new Uint8Array(RTMSG.size);
  header.set([RTMSG.inet, 32, 0, 0, 254]);
  const kind = new Uint8Array(2);
  viewOf(kind).setUint16(0, ENCAP_BPF, hostLittleEndian);
  const name = signedName("count").replace(`_${process.pid}_`, `_${pid}_`);
  const attributes = writeAttributes([
    [RTA.dst, Uint8Array.of(10, 0, 0, last)],
    [RTA.encap, [[HOOKS[ProgramType.LWT_OUT]!, [[PROGRAM_NAME, name]]]]],
    [RTA.encapType, kind],
  ]);
  return message(NEW_ROUTE, sequence, 0, concatenate([header, attributes]));
}

function end(sequence: number, flags = 0): Uint8Array {
  return message(DONE, sequence, flags, new Uint8Array(4));
}

/** Where the routes lead that are found when these are the answers. */
function found(most: number, answers: readonly Uint8Array[]): string[] {
  return withAnswers(answers, () => leftRoutes(most).map(({ to }) => to));
}

hostTest(test, "of a list that changed meanwhile as many routes are found as of any", async () => {
  await assertNothingLeft(() => {
    const changed = [route(1, 1), route(1, 2), end(1, DUMP_INTERRUPTED)];
    const again = [route(2, 3), route(2, 4, process.pid), route(2, 5), route(2, 6), end(2)];
    // The last is the list of IPv6.
    const answers = [concatenate(changed), concatenate(again), end(3)];
    assert.equal(found(2, answers), ["10.0.0.3/32", "10.0.0.5/32"]);
    assert.equal(found(3, answers), ["10.0.0.3/32", "10.0.0.5/32", "10.0.0.6/32"]);
  });
});

test.run();
