/**
 * How many bytes a function of the kernel has, as far as `/proc/kallsyms` tells: it lists where symbols begin, so that a function goes to
 * the next one.
 *
 * @module
 */

import { readFileSync } from "node:fs";

const PATH = "/proc/kallsyms";

/** Sizes that were asked for, of functions that stay where they are: not those of modules. Reading the list takes a while. */
const known = new Map<string, number>();

/**
 * Bytes from the start of a function, `NAME` or `MODULE:NAME`, to the symbol that follows it, the largest where several have the name;
 * undefined when there is none, addresses are hidden, or nothing follows. It may count padding.
 */
export function kernelFunctionSize(name: string, path: string = PATH): number | undefined {
  const found = known.get(name);
  if (found !== undefined && path === PATH) return found;
  const colon = name.indexOf(":");
  const [module, symbol] = [name.slice(0, Math.max(colon, 0)), name.slice(colon + 1)];
  let text: string;
  try {
    text = readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
  let size: number | undefined;
  let isFixed = path === PATH;
  for (let at = text.indexOf(` ${symbol}`); at !== -1; at = text.indexOf(` ${symbol}`, at + 1)) {
    const after = at + 1 + symbol.length;
    const end = lineEnd(text, at);
    const owner = text.slice(after, end);
    const start = text.lastIndexOf("\n", at) + 1;
    if (!/^(?:\t\[[^\]]*\])?$/.test(owner) || !/^[tTwW]$/.test(text[at - 1] ?? "")) continue;
    if (module !== "" && owner !== `\t[${module}]`) continue;
    const address = addressAt(text, start);
    const next = owner === "" ? nextAddress(text, end, address) : nextOf(text, owner, address);
    if (next === undefined || address === 0n) continue;
    size = Math.max(size ?? 0, Number(next - address));
    isFixed &&= owner === "";
  }
  if (isFixed && size !== undefined) known.set(name, size);
  return size;
}

/** The kernel's own symbols are in order of their addresses. */
function nextAddress(text: string, from: number, address: bigint): bigint | undefined {
  for (let end = from; end + 1 < text.length; end = lineEnd(text, end + 1)) {
    if (text[lineEnd(text, end + 1) - 1] === "]") return undefined;
    const next = addressAt(text, end + 1);
    if (next > address) return next;
  }
  return undefined;
}

/** The least address above `address` in the lines that end in `owner`: symbols of modules are in no order. */
function nextOf(text: string, owner: string, address: bigint): bigint | undefined {
  let least: bigint | undefined;
  const line = `${owner}\n`;
  for (let at = text.indexOf(line); at !== -1; at = text.indexOf(line, at + 1)) {
    const next = addressAt(text, text.lastIndexOf("\n", at) + 1);
    if (next > address && (least === undefined || next < least)) least = next;
  }
  return least;
}

function addressAt(text: string, start: number): bigint {
  const digits = text.slice(start, text.indexOf(" ", start));
  return /^[0-9a-f]{1,16}$/i.test(digits) ? BigInt(`0x${digits}`) : 0n;
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end === -1 ? text.length : end;
}
