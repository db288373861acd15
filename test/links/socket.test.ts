import { createSocket, type Socket } from "node:dgram";
import { fstatSync, readdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { reuseport, socketFilter } from "../../links/socket.ts";
import { alu, load, type Statement } from "../../src/asm/index.ts";
import { native } from "../../src/sys/ffi.ts";
import { setSocketOption } from "../../src/sys/socket.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { eventually } from "../helper/process.ts";
import { Counter } from "./counter.ts";
import { hasCode, isA, isTarget } from "./errors.ts";
import { inOwnNetwork } from "./network.ts";

const test = suite("links/socket");
/** UDP header and 7 bytes. */
const DATAGRAM = 8n + 7n;

function filter(after: Statement[]): Counter {
  const before = [load("r7", "u32", "r6", 0)];
  return new Counter({ type: ProgramType.SOCKET_FILTER, before, after });
}

/** A socket that Node knows, the number of its descriptor, and what it received. */
async function makeSocket(): Promise<{ socket: Socket; fd: number; messages: string[] }> {
  const before = new Set(openSockets());
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const fd = openSockets().find((number) => !before.has(number))!;
  const messages: string[] = [];
  socket.on("message", (message) => messages.push(message.toString()));
  return { socket, fd, messages };
}

/** Descriptors of sockets that this process has. */
function openSockets(): number[] {
  const numbers = readdirSync("/proc/self/fd").map(Number);
  return numbers.filter((number) => {
    try {
      return fstatSync(number).isSocket();
    } catch {
      return false;
    }
  });
}

async function send(socket: Socket, text: string, port = socket.address().port): Promise<void> {
  await new Promise<void>((resolve, reject) =>
    socket.send(text, port, "127.0.0.1", (error) => (error === null ? resolve() : reject(error))),
  );
}

kernelTest(
  test,
  "a filter sees what a socket receives, cuts it, is replaced, and stops",
  async () => {
    await assertNothingLeft(async () => {
      await inOwnNetwork(async () => {
        using cutting = filter([alu("r0", "=", 8 + 3)]);
        using refusing = filter([]);
        const { socket, fd, messages } = await makeSocket();
        try {
          const link = socketFilter(cutting.program, fd);
          assert.not(link.outlivesProcess);
          await send(socket, "7 bytes");
          assert.ok(await eventually(() => messages.length === 1));
          assert.equal(messages, ["7 b"]);
          assert.is(cutting.count, 1);
          assert.is(cutting.kept, DATAGRAM);

          link.update(refusing.program);
          await send(socket, "unseen");
          // A busy kernel leaves what comes to a thread of its own.
          assert.ok(await eventually(() => refusing.count === 1));
          assert.is(cutting.count, 1);

          link.close();
          await send(socket, "whole");
          assert.ok(await eventually(() => messages.length === 2));
          assert.equal(messages, ["7 b", "whole"]);
          assert.is(refusing.count, 1);
        } finally {
          socket.close();
        }
      });
    });
  },
);

kernelTest(
  test,
  "closing after the socket takes nothing from what has its number now",
  async () => {
    await inOwnNetwork(async () => {
      using counter = filter([alu("r0", "=", 0x7fff)]);
      const first = await makeSocket();
      const link = socketFilter(counter.program, { fd: first.fd });
      first.socket.close();
      await new Promise((resolve) => setImmediate(resolve));
      const second = await makeSocket();
      try {
        using own = socketFilter(counter.program, second.fd);
        link.close();
        await send(second.socket, "counted");
        assert.ok(await eventually(() => counter.count === 1));
        own.close();
      } finally {
        second.socket.close();
      }
      assert.throws(() => socketFilter(counter.program, second.fd + 1000), isTarget("ERR_TARGET"));
      assert.throws(() => socketFilter(counter.program, -1), isTarget("ERR_TARGET"));
    });
  },
);

kernelTest(test, "reuseport: it chooses for datagrams, and stops", async () => {
  await assertNothingLeft(async () => {
    await inOwnNetwork(async () => {
      using counter = new Counter({
        type: ProgramType.SK_REUSEPORT,
        attachType: AttachType.SK_REUSEPORT_SELECT,
        before: [load("r7", "u32", "r6", 16)],
        after: [alu("r0", "=", 1)],
      });
      // Node does not let this option be set before a socket is bound, so the first datagram binds it.
      const AF_INET = 2;
      const SOCK_DGRAM = 2;
      const SO_REUSEPORT = 15;
      const fd = native().socket(AF_INET, SOCK_DGRAM, 0);
      const socket = createSocket("udp4");
      try {
        assert.throws(() => reuseport(counter.program, fd), hasCode("EINVAL"));
        setSocketOption(fd, SO_REUSEPORT, 1, "share the port");
        await new Promise<void>((resolve) => socket.bind({ fd }, resolve));
        const link = reuseport(counter.program, fd);
        await send(socket, "bind it", 9);
        await send(socket, "7 bytes");
        assert.ok(await eventually(() => counter.count === 1));
        assert.is(counter.kept, DATAGRAM);
        link.close();
        await send(socket, "7 bytes");
        assert.is(counter.count, 1);
      } finally {
        socket.close();
      }
      assert.throws(() => socketFilter(counter.program, 0), isA(TypeError));
    });
  });
});

test.run();
