import { existsSync, mkdtempSync, rmdirSync, unlinkSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Kind } from "../../btf/index.ts";
import { cgroup } from "../../links/cgroup.ts";
import { IteratorLink, iterator } from "../../links/iterator.ts";
import { skLookup } from "../../links/netns.ts";
import { listLinks, openLink } from "../../links/open.ts";
import { rawTracepoint } from "../../links/raw-tracepoint.ts";
import { xdp } from "../../links/xdp.ts";
import { alu } from "../../src/asm/index.ts";
import { kernelBtf } from "../../src/sys/kernel-btf.ts";
import { bpffs } from "../../src/sys/paths.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { inOwnCgroup } from "./cgroups.ts";
import { Counter } from "./counter.ts";
import { hasCode, isA, isSyscall } from "./errors.ts";
import { inOwnNetwork, sendDatagram } from "./network.ts";

const test = suite("links/open");

async function withFolder(body: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(`${bpffs()}/ebpf-test-open-`);
  try {
    await body(folder);
  } finally {
    for (const name of ["link", "program"]) {
      if (existsSync(`${folder}/${name}`)) unlinkSync(`${folder}/${name}`);
    }
    rmdirSync(folder);
  }
}

kernelTest(test, "a pinned link lives on, is opened, updated and ended", async () => {
  await assertNothingLeft(async () => {
    await withFolder(async (folder) => {
      await inOwnNetwork(async () => {
        const pass = [alu("r0", "=", 2)];
        const type = { type: ProgramType.XDP, attachType: AttachType.XDP };
        using first = new Counter({ ...type, after: pass });
        using second = new Counter({ ...type, after: pass });
        const path = `${folder}/link`;
        const made = xdp(first.program, "lo");
        made.pin(path);
        const { id } = made.info();
        made.close();
        await sendDatagram();
        assert.is(first.count, 1);

        using opened = openLink(path);
        assert.is(opened.kind, "xdp");
        assert.is(opened.info().id, id);
        assert.match(opened.description, /^program \d+ to xdp of interface 1 \(the link pinned at/);
        opened.update(second.program);
        assert.match(opened.description, /^count to xdp/);
        await sendDatagram();
        assert.is(second.count, 1);

        using byId = openLink(id);
        assert.is(byId.kind, "xdp");
        assert.ok([...listLinks()].some((info) => info.id === id && info.details.kind === "xdp"));
        unlinkSync(path);
        opened.close();
        await sendDatagram();
        assert.is(second.count, 2, "the one by its id still holds it");
        byId.detach();
        await sendDatagram();
        assert.is(second.count, 2);
        first.program.pin(`${folder}/program`);
        assert.throws(() => openLink(`${folder}/program`), hasCode("ERR_NOT_A_LINK"));
        assert.throws(() => openLink(`${folder}/program`), /a program is pinned there/);
        assert.throws(
          () => openLink(folder),
          isSyscall("EACCES", /open the pin .*: that is a folder, which has .*program/),
        );
        assert.throws(() => openLink("/proc/version"), hasCode("ERR_NOT_BPFFS"));
      });
    });
  });
});

kernelTest(test, "kinds of links are told apart", async () => {
  await inOwnNetwork(async () => {
    await inOwnCgroup((path) => {
      using raw = new Counter({ type: ProgramType.RAW_TRACEPOINT });
      using skb = new Counter({
        type: ProgramType.CGROUP_SKB,
        attachType: AttachType.CGROUP_INET_EGRESS,
        after: [alu("r0", "=", 1)],
      });
      using lookup = new Counter({
        type: ProgramType.SK_LOOKUP,
        attachType: AttachType.SK_LOOKUP,
        after: [alu("r0", "=", 1)],
      });
      using one = rawTracepoint(raw.program, "sys_enter");
      using two = cgroup(skb.program, path);
      using three = skLookup(lookup.program);
      for (const link of [one, two, three]) {
        using opened = openLink(link.info().id);
        assert.is(opened.kind, link.kind);
        assert.equal(opened.info(), link.info());
      }
    });
  });
});

kernelTest(test, "an iterator that was pinned is read by who opens it", async () => {
  await withFolder((folder) => {
    using counter = new Counter({
      type: ProgramType.TRACING,
      attachType: AttachType.TRACE_ITER,
      attachTo: "bpf_map",
      attachBtfId: kernelBtf().find("bpf_iter_bpf_map", Kind.FUNC) ?? 0,
    });
    const made = iterator(counter.program);
    made.pin(`${folder}/link`);
    made.close();
    using opened = openLink(`${folder}/link`);
    assert.instance(opened, IteratorLink);
    assert.is((opened as IteratorLink).text(), "");
    assert.ok(counter.count > 0);
  });
});

kernelTest(test, "what is not there, and misuse, are named", () => {
  assert.throws(() => openLink("/no/such/pin"), hasCode("ENOENT"));
  assert.throws(() => openLink(0x7fff_fff0), hasCode("ENOENT"));
  for (const bad of [0, -1, 1.5, ""]) assert.throws(() => openLink(bad), isA(TypeError));
});

test.run();
