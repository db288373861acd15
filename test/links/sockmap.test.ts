import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  attachSockmap,
  type SocketMapTarget,
  sockmap,
  sockmapPrograms,
} from "../../links/sockmap.ts";
import { alu, load } from "../../src/asm/index.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { mapCreate } from "../../src/sys/bpf.ts";
import { MapAccess } from "../../src/sys/map-access.ts";
import { AttachType, MapType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { isOlderThan, type KernelNeeds, kernelTest } from "../helper/kernel.ts";
import { eventually } from "../helper/process.ts";
import { Counter } from "./counter.ts";
import { hasCode, isA } from "./errors.ts";
import { inOwnNetwork } from "./network.ts";
import { kernelBefore59 } from "./old-kernel.ts";

const test = suite("links/sockmap");
const PARSER: KernelNeeds = { needs: "stream parsers", config: "CONFIG_BPF_STREAM_PARSER" };
/** `SK_PASS`. */
const pass = [alu("r0", "=", 1)];

function msg(): Counter {
  return new Counter({
    type: ProgramType.SK_MSG,
    attachType: AttachType.SK_MSG_VERDICT,
    before: [load("r7", "u32", "r6", 68)],
    after: pass,
  });
}

interface Sockets extends SocketMapTarget, AsyncDisposable {
  client: Socket;
  server: Socket;
  received: string[];
  add(socket: Socket): void;
}

/** A connection, and an empty map of two sockets. */
async function makeSockets(): Promise<Sockets> {
  const listener = createServer();
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as { port: number };
  const client = connect(port, "127.0.0.1");
  const [[server]] = (await Promise.all([
    once(listener, "connection"),
    once(client, "connect"),
  ])) as [[Socket], unknown];
  const received: string[] = [];
  server.on("data", (data) => received.push(String(data)));
  const shape = { type: MapType.SOCKMAP, keySize: 4, valueSize: 4, maxEntries: 2 };
  const fd = mapCreate(shape, "map sockets");
  const access = new MapAccess(fd, 4, 4);
  return {
    name: "sockets",
    type: MapType.SOCKMAP,
    fd,
    client,
    server,
    received,
    add(socket) {
      const { fd: number } = (socket as unknown as { _handle: { fd: number } })._handle;
      viewOf(access.value).setUint32(0, number, hostLittleEndian);
      access.update();
    },
    async [Symbol.asyncDispose]() {
      fd.close();
      client.destroy();
      server.destroy();
      listener.close();
      await once(listener, "close");
    },
  };
}

for (const [name, options, kernel] of [
  ["through a link, where there are some", {}, undefined],
  ["without a link, asked for", { link: false }, undefined],
  ["without a link, on a kernel that has none", {}, kernelBefore59],
] as const) {
  kernelTest(test, `sk_msg ${name}: it sees what is sent, is replaced, and stops`, async () => {
    await assertNothingLeft(async () => {
      await inOwnNetwork(async () => {
        await using sockets = await makeSockets();
        const { client, received } = sockets;
        using first = msg();
        using second = msg();
        const link = attachSockmap(first.program, sockets, options, kernel);
        assert.is(
          link.isKernelLink,
          !("link" in options) && kernel === undefined && !isOlderThan("6.10"),
        );
        if (!isOlderThan("5.19")) {
          assert.throws(() => sockmap(second.program, sockets, options), hasCode("EBUSY"));
          assert.is(sockmapPrograms(sockets, AttachType.SK_MSG_VERDICT).programs.length, 1);
        }
        sockets.add(client);
        client.write("7 bytes");
        assert.ok(await eventually(() => received.join("") === "7 bytes"));
        assert.is(first.count, 1);
        assert.is(first.kept, 7n);
        link.update(second.program);
        link.close();
        link.close();
        if (!isOlderThan("5.19")) {
          assert.equal(sockmapPrograms(sockets, AttachType.SK_MSG_VERDICT).programs, []);
        }
      });
    });
  });
}

kernelTest(test, "a parser and a verdict see what is received", PARSER, async () => {
  await inOwnNetwork(async () => {
    await using sockets = await makeSockets();
    const { client, server, received } = sockets;
    const length = [load("r7", "u32", "r6", 0)];
    using parser = new Counter({
      type: ProgramType.SK_SKB,
      attachType: AttachType.SK_SKB_STREAM_PARSER,
      before: length,
      after: [alu("r0", "=", "r7")],
    });
    using verdict = new Counter({
      type: ProgramType.SK_SKB,
      attachType: AttachType.SK_SKB_STREAM_VERDICT,
      before: length,
      after: pass,
    });
    using _parser = sockmap(parser.program, sockets);
    using _verdict = sockmap(verdict.program, sockets);
    sockets.add(server);
    client.write("7 bytes");
    assert.ok(await eventually(() => received.join("") === "7 bytes"));
    assert.is(parser.count, 1);
    assert.is(parser.kept, 7n);
    assert.is(verdict.count, 1);
  });
});

kernelTest(test, "misuse is named", () => {
  using program = msg();
  using map = mapCreate({ type: MapType.ARRAY, keySize: 4, valueSize: 4, maxEntries: 1 }, "map no");
  const target = { name: "no", type: MapType.ARRAY, fd: map };
  assert.throws(() => sockmap(program.program, target), /no is not a map of type sockmap/);
  assert.throws(() => sockmap(program.program, undefined as never), isA(TypeError));
  using plain = new Counter({ type: ProgramType.SK_SKB, after: pass });
  const sockets = { ...target, type: MapType.SOCKMAP };
  assert.throws(() => sockmap(plain.program, sockets), /say as what/);
  assert.throws(
    () => sockmap(plain.program, sockets, { as: "verdit" as "verdict" }),
    isA(TypeError),
  );
});

test.run();
