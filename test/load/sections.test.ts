/**
 * docs/links.md says of every section how its programs are attached, and so it is.
 */

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as links from "../../links/index.ts";
import { PLACE_NAMES } from "../../src/attach-places.ts";
import { attachBySection } from "../../src/attach-section.ts";
import { placesTaken } from "../../src/attach-taken.ts";
import type { Program } from "../../src/program.ts";
import { sectionMeaning, sectionNames } from "../../src/spec/index.ts";

const test = suite("load: sections");

/** A line of the table: sections, the function, what says where. */
interface Row {
  sections: string[];
  attacher: string;
  where: string;
}

function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
}

function text(): string {
  const url = new URL("../docs/links.md", import.meta.resolve("#fixtures/Makefile"));
  return readFileSync(url, "utf8");
}

function rows(): Row[] {
  const [, chapter = ""] = /^## Sections$(.*?)^## /ms.exec(text()) ?? [];
  return [...chapter.matchAll(/^\| (`.*) \| (.*)\| (.*) \|$/gm)].map(([, sections, f, where]) => ({
    sections: quoted(sections!),
    attacher: quoted(f!)[0] ?? "",
    where: where!,
  }));
}

test("every section is in the table once", () => {
  const named = rows().flatMap(({ sections }) => sections);
  assert.equal([...named].sort(), sectionNames().sort());
});

test("the functions are there", () => {
  for (const { attacher, sections } of rows()) {
    if (attacher === "") continue;
    assert.type((links as Record<string, unknown>)[attacher], "function", sections.join(" "));
  }
});

test("functions are found by the names that other libraries have", () => {
  const [, chapter = ""] = /^## Under other names$(.*?)^## /ms.exec(text()) ?? [];
  const named = [...chapter.matchAll(/^\| (`[^|]*) \|/gm)].flatMap(([, names]) => quoted(names!));
  for (const name of named) {
    assert.type((links as Record<string, unknown>)[name], "function", name);
  }
  const attachers = rows().map(({ attacher }) => attacher);
  for (const name of attachers) assert.ok(name === "" || named.includes(name), name);
});

test("without places, what is said to be missing is what the table names", () => {
  for (const { sections, where } of rows()) {
    for (const section of sections) {
      const { prefix: _, ...meaning } = sectionMeaning(section);
      // It is never attached: nothing is known of where.
      const program = { ...meaning, name: "main", section } as unknown as Program;
      const found = attachBySection(program, {});
      assert.not.instance(found, links.Link, section);
      const { reason, place } = found as { reason: string; place?: string };
      if (where.startsWith("section")) {
        assert.match(reason, /names no target/, section);
        assert.is(place, undefined, section);
      } else if (where.startsWith("nothing")) {
        assert.is(place, undefined, section);
        assert.ok(reason.length > 20, section);
      } else {
        assert.is(place, quoted(where)[0], section);
        assert.ok(reason.includes(`attach({ ${place}: … })`), reason);
      }
    }
  }
});

test("every place is named, and leads on to the next where two are needed", () => {
  const options = rows().flatMap(({ where }) => quoted(where));
  for (const name of PLACE_NAMES) {
    if (name !== "xdpMode") assert.ok(options.includes(name), name);
  }
  for (const section of ["tc", "classifier", "cgroup/skb"]) {
    const { prefix: _, ...meaning } = sectionMeaning(section);
    const program = { ...meaning, name: "main", section } as unknown as Program;
    const found = attachBySection(program, { direction: "egress" }) as { place?: string };
    const row = rows().find(({ sections }) => sections.includes(section));
    assert.is(found.place, quoted(row!.where)[1], section);
  }
});

test("the places that a section takes are those that the table names", () => {
  const targets = ["task", "cgroup", "bpf_map_elem", "tcp"];
  for (const { sections, where } of rows()) {
    const named = quoted(where).filter((name) => (PLACE_NAMES as string[]).includes(name));
    for (const section of sections) {
      const isIterator = section.startsWith("iter");
      const taken = isIterator
        ? targets.flatMap((target) => placesTaken(section, target))
        : placesTaken(section, "");
      // What only narrows down is not in the table, but of iterators.
      const needed = taken.filter(
        (place) => isIterator || (place !== "pid" && place !== "xdpMode"),
      );
      assert.equal([...needed].sort(), [...named].sort(), section);
    }
  }
  for (const section of [
    "uprobe.s",
    "uretprobe",
    "usdt/x:y:z",
    "uprobe.multi.s/x:*",
    "perf_event",
  ]) {
    assert.ok(placesTaken(section, "x").includes("pid"), section);
  }
  assert.equal(placesTaken("iter/tcp", "tcp"), ["namespace"]);
  assert.equal(placesTaken("iter/bpf_prog", "bpf_prog"), []);
  assert.equal(placesTaken("kprobe/x", "x"), []);
  assert.ok(placesTaken("xdp_drop", "").includes("xdpMode"));
});

test("a section of no known kind is said to be that", () => {
  const program = { name: "main", section: "unknown", attachTo: "" } as unknown as Program;
  const { reason } = attachBySection(program, {}) as { reason: string };
  assert.match(reason, /does not tell what kind of program this is/);
});

test.run();
