import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { withBaseline } from "../../src/report/baseline.ts";
import { type CheckReport, check, checkHtml } from "../../src/report/index.ts";
import { parseObject } from "../../src/spec/index.ts";
import { HOSTILE, hostileReport, threeKernels } from "./objects.ts";
import { openPage } from "./page.ts";

const test = suite("report html");

function flavours(): CheckReport {
  const path = (name: string): string => fileURLToPath(import.meta.resolve(`#fixtures/${name}`));
  const spec = parseObject(readFileSync(path("core-flavours.el.o")));
  const names = ["5.10", "6.1", "6.12", "6.18", "7.2"];
  const kernels = names.map((name) => ({ name, btf: readFileSync(path(`btf/${name}.btf`)) }));
  const report = check(spec, kernels);
  return {
    ...report,
    objects: report.objects.map((object) => ({ file: "flavours.o", ...object })),
  };
}

test("the page loads nothing, and says so to the browser", () => {
  const html = checkHtml(flavours());
  assert.match(html, /^<!doctype html>\n/);
  assert.match(html, /Content-Security-Policy" content="default-src 'none';/);
  assert.not.match(html, /https?:|\bsrc=|@import|url\(|<link|<img/);
  assert.match(html, /prefers-color-scheme: dark/);
  assert.match(html, /@media print/);
  assert.match(html, /<noscript>/);
});

test("first objects by kernels, with a link to each object", () => {
  const { main } = openPage(checkHtml(threeKernels()));
  assert.equal(
    main.find("th").map(({ textContent }) => textContent),
    ["object", "good", "bad", "worse", "tools/a.o"],
  );
  assert.equal(
    main.find("td").map(({ textContent }) => textContent),
    ["ok", "1 poisoned", "1 poisoned"],
  );
  assert.is(main.find("a", "tools/a.o")[0]?.attributes.get("href"), "#object=0");
  // The words are explained, each in an element.
  assert.is(main.find("dt").length, 7);
  assert.not.match(main.textContent, /\[object/);
});

test("an object has its questions by kernel, and each opens to its places", () => {
  const page = openPage(checkHtml(flavours()), "#object=0");
  const { main } = page;
  const [button] = main.find("button", "task_struct.__state");
  assert.is(button?.attributes.get("aria-expanded"), "false");
  const row = button?.parent?.parent;
  assert.match(
    row?.textContent ?? "",
    /^task_struct\.__statefield_byte_offset of struct task_struct/,
  );
  assert.match(row?.textContent ?? "", /guarded.*changed 24.*from 6\.1 on$/);
  button?.does("click");
  assert.is(button?.attributes.get("aria-expanded"), "true");
  const [places] = main.all().filter((one) => one.attributes.get("class") === "places");
  const text = places?.textContent ?? "";
  assert.match(text, /core-flavours\.bpf\.c:\d+/);
  assert.match(text, /850000001023ad0b/);
  assert.match(text, /struct task_struct has no member __state/);
  for (const name of ["5.10", "6.1", "6.12", "6.18", "7.2"]) assert.ok(text.includes(name));
  button?.does("click");
  assert.is(places?.hidden, true);
});

test("structures show where each field is on each kernel, and since when it is there", () => {
  const { main, go } = openPage(checkHtml(flavours()));
  go("#structures");
  const [field] = main.find("tr", "task_struct.__state");
  const cells = field?.find("td").map(({ textContent }) => textContent);
  assert.equal(cells, ["none", "+24", "+24", "+24", "+24", "from 6.1 on"]);
  const [old] = main.find("tr", "before_5_14.state");
  assert.equal(
    old?.find("td").map(({ textContent }) => textContent),
    ["+16", "none", "none", "none", "none", "up to 5.10"],
  );
  go("#structures=0");
  assert.ok(main.find("a", "flavours.o").length > 0);
  go("#object=99");
  assert.ok(
    main.find("h1", "CO-RE relocation").length > 0,
    "what is not there leads to the overview",
  );
});

test("where fields exist follows releases, not the order of kernels, and is a list without", () => {
  const report = flavours();
  const where = (names: readonly string[]): string | undefined => {
    const kernels = report.kernels.map((kernel, at) => ({ ...kernel, name: names[at]! }));
    const { main } = openPage(checkHtml({ ...report, kernels }), "#structures");
    return main.find("tr", "before_5_14.state")[0]?.find("td").at(-1)?.textContent;
  };
  assert.is(where(["7.2", "6.18", "6.12", "6.1", "5.10"]), "from 7.2 on");
  assert.is(where(["a", "b", "c", "d", "e"]), "a only");
});

test("searching and choosing leave out the rest", () => {
  const { main } = openPage(checkHtml(flavours()), "#object=0");
  const [search, box] = main.find("input");
  const count = (): number => main.find("button").filter((one) => !one.hidden).length;
  assert.is(count(), 6);
  search!.value = "mm_struct";
  search!.does("input");
  assert.is(count(), 2);
  box!.checked = true;
  box!.does("input");
  assert.is(count(), 0);
});

test("no name gets out of the data or becomes markup", () => {
  const html = checkHtml(hostileReport());
  // One <script> with data, one with code, and nothing of the names before, between or behind.
  assert.is(html.split("<script").length, 3);
  assert.is(html.split("</script>").length, 3);
  assert.is(html.includes("<b>"), false);
  assert.is(html.includes("<!--"), false);
  const { main, go } = openPage(html);
  const shown = HOSTILE.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Cs}]/gu, "\ufffd");
  assert.ok(main.textContent.includes(`${shown}.o`));
  for (const view of ["#object=0", "#structures"]) {
    go(view);
    assert.ok(main.textContent.includes(shown), view);
  }
  for (const { attributes } of main.all()) {
    for (const name of ["href", "class"]) assert.not.match(attributes.get(name) ?? "", /[<"':]/);
  }
});

test("an object that was not read, a pair that was not checked, and a baseline", () => {
  const report = threeKernels();
  const objects = [...report.objects, { file: "b.o", error: "b.o: it is cut off", programs: [] }];
  const page = openPage(checkHtml(withBaseline({ ...report, objects }, report)));
  assert.match(page.main.textContent, /unreadable/);
  assert.match(
    page.main.textContent,
    /Against the baseline: 0 worse, 0 better, 0 lost, 2 fail as before/,
  );
  page.go("#object=1");
  assert.match(page.main.textContent, /b\.o: it is cut off/);
});

test("what a baseline has and nobody checked is told, names and all", () => {
  const before = threeKernels();
  const names = Array.from({ length: 120 }, (_, at) => `6.${at}`);
  const more = names.map((name) => ({ name, types: 1 }));
  const objects = [...before.objects, { file: `${HOSTILE}.o`, programs: [] }];
  const baseline = { ...before, kernels: [...before.kernels, ...more], objects };
  const { main } = openPage(checkHtml(withBaseline(threeKernels(), baseline)));
  assert.match(
    main.textContent,
    /not checked kernels of the baseline: 6\.0, 6\.1, [^a-z]*6\.99 and 20 more/,
  );
  const hostile = HOSTILE.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Cs}]/gu, "\ufffd");
  assert.ok(main.textContent.includes(`not checked objects of the baseline: ${hostile}.o`));
  const all = openPage(checkHtml(withBaseline(before, before)));
  assert.not.match(all.main.textContent, /not checked/);
  // Written by an earlier release, without the lists.
  const compared = withBaseline(before, before);
  const { uncheckedKernels, uncheckedObjects, ...rest } = compared.baseline!;
  const old = JSON.parse(JSON.stringify({ ...compared, baseline: rest })) as CheckReport;
  assert.not.match(openPage(checkHtml(old)).main.textContent, /not checked/);
});

test("many objects make a small page that opens at once and grows when asked", () => {
  const one = flavours();
  const count = 1000;
  const report: CheckReport = {
    ...one,
    objects: Array.from({ length: count }, (_, at) => ({ ...one.objects[0]!, file: `o${at}.o` })),
    rows: Array.from({ length: count }, (_, object) =>
      one.rows.map((row) => ({ ...row, object })),
    ).flat(),
    summary: Array.from({ length: count }, (_, object) =>
      one.summary.map((pair) => ({ ...pair, object })),
    ).flat(),
  };
  const html = checkHtml(report);
  assert.ok(
    html.length < 40 * report.rows.length,
    `${html.length / report.rows.length} bytes a row`,
  );
  const { main } = openPage(html);
  assert.is(main.find("tr").length, 301);
  const [more] = main.find("button", "show more");
  assert.is(more?.textContent, "show more (700 left)");
  more?.does("click");
  assert.is(main.find("tr").length, 601);
});

test.run();
