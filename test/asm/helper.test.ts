import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Helper, type HelperName, helperName, helperSince } from "../../src/asm/index.ts";

const test = suite("asm/helper");

test("numbers are given in order, and each names its helper", () => {
  const entries = Object.entries(Helper);
  assert.is(entries.length, 212);
  for (const [index, [name, id]] of entries.entries()) {
    assert.is(id, index);
    assert.is(helperName(id), name);
  }
  for (const id of [-1, 212, 1.5, Number.NaN]) {
    assert.is(helperName(id), undefined);
    assert.is(helperSince(id), undefined);
  }
});

test("some numbers and releases that documentation gives", () => {
  const expected: [HelperName, number, string][] = [
    ["map_lookup_elem", 1, "3.19"],
    ["map_delete_elem", 3, "3.19"],
    ["probe_read", 4, "4.1"],
    ["get_current_pid_tgid", 14, "4.2"],
    ["perf_event_output", 25, "4.4"],
    ["get_current_cgroup_id", 80, "4.18"],
    ["probe_read_kernel", 113, "5.5"],
    ["ringbuf_output", 130, "5.8"],
    ["copy_from_user", 148, "5.10"],
    ["loop", 181, "5.17"],
    ["cgrp_storage_delete", 211, "6.2"],
  ];
  for (const [name, id, since] of expected) {
    assert.is(Helper[name], id);
    assert.is(helperSince(id), since);
  }
  assert.is(helperSince(0), undefined);
});

test("releases never go back as numbers go up", () => {
  let last = 0;
  for (let id = 1; id < 212; id++) {
    const [major = 0, minor = 0] = (helperSince(id) ?? "").split(".").map(Number);
    assert.ok(major * 100 + minor >= last, `${id}`);
    last = major * 100 + minor;
  }
});

test.run();
