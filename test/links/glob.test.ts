import { suite } from "uvu";
import * as assert from "uvu/assert";
import { globMatcher, isGlob } from "../../links/glob.ts";
import { soon } from "../helper/soon.ts";

const test = suite("links/glob");

test("stars, question marks and plain text", () => {
  for (const [pattern, yes, no] of [
    ["tcp_*", ["tcp_", "tcp_send"], ["tcp", "utcp_x"]],
    ["*_send*", ["_send", "tcp_sendmsg"], ["send"]],
    ["a?c", ["abc", "acc"], ["ac", "abbc"]],
    ["*", ["", "x"], []],
    ["plain", ["plain"], ["plainer", "plai", ""]],
    ["a*b*c", ["abc", "a--b-bc"], ["ab", "acb"]],
    ["a.b", ["a.b"], ["axb"]],
    ["", [""], ["a"]],
  ] as [string, string[], string[]][]) {
    const matches = globMatcher(pattern);
    for (const name of yes) assert.ok(matches(name), `${pattern} ${name}`);
    for (const name of no) assert.not(matches(name), `${pattern} ${name}`);
  }
  assert.ok(isGlob("a*") && isGlob("?") && !isGlob("plain"));
});

test("many stars on a long name end", () => {
  const matches = globMatcher(`${"a*".repeat(50)}b`);
  assert.not(soon(5000, () => matches("a".repeat(5000))));
});

test.run();
