/**
 * Checking of what callers give to `check` and to the functions of reports: an argument that is not
 * what it should be is a TypeError that names both, never a report about nothing.
 *
 * @module
 */

import { Btf } from "../../btf/index.ts";
import { checkOptions } from "../options.ts";

const MAX_TEXT = 60;

/** @throws TypeError when `specs` has something that is no object of `CollectionSpec`, or nothing. */
export function requireSpecs(specs: readonly unknown[]): void {
  if (specs.length === 0) throw new TypeError("check: no objects given, only an empty list");
  for (const spec of specs) {
    const fields = fieldsOf(spec);
    if (isObject(fields?.["programs"]) && typeof fields["byteOrder"] === "string") continue;
    throw new TypeError(
      `check: expected an object file's CollectionSpec, or a list of them, and was given ${described(spec)}; CollectionSpec.fromFile(path) and CollectionSpec.parse(bytes) make one`,
    );
  }
}

/** @throws TypeError when `kernels` is no list of kernels, or an empty one. */
export function requireKernels(kernels: unknown): void {
  if (!Array.isArray(kernels)) {
    const hint = fieldsOf(kernels)?.["btf"] === undefined ? "" : "; put the one kernel into a list";
    throw new TypeError(
      `check: expected a list of kernels { name, btf }, and was given ${described(kernels)}${hint}`,
    );
  }
  if (kernels.length === 0) {
    throw new TypeError("check: no kernels given, only an empty list; nothing would be checked");
  }
  for (const [index, kernel] of kernels.entries()) {
    const what = `check: kernel ${index}`;
    const { name, btf, modules } = requireNamed(what, kernel, ["name", "btf", "modules"]);
    if (typeof btf !== "function") requireBtf(`${what} (${name})`, btf);
    if (modules === undefined || typeof modules === "function") continue;
    requireModules(`${what} (${name})`, modules);
  }
}

/** @throws TypeError when `modules` is no list of modules. */
export function requireModules(what: string, modules: unknown): void {
  if (!Array.isArray(modules)) {
    throw new TypeError(
      `${what}: modules: expected a list of { name, btf } or a function that gives one, and was given ${described(modules)}`,
    );
  }
  for (const [index, module] of modules.entries()) {
    const one = `${what}, module ${index}`;
    requireBtf(one, requireNamed(one, module, ["name", "btf"])["btf"]);
  }
}

/** @throws TypeError when `btf` is neither bytes nor opened BTF. */
export function requireBtf(what: string, btf: unknown): asserts btf is Btf | Uint8Array {
  if (btf instanceof Btf || btf instanceof Uint8Array) return;
  let hint = "";
  if (typeof btf === "string") hint = "; a path is not read: give readFileSync(path)";
  else if (isPromise(btf)) hint = "; check does not wait: await it before, and read synchronously";
  throw new TypeError(
    `${what}: btf: expected a Uint8Array or a Btf, or a function that gives either, and was given ${described(btf)}${hint}`,
  );
}

/** @throws TypeError when `report` is no report; `what` names the call and the argument. */
export function requireReport(what: string, report: unknown): void {
  const fields = fieldsOf(report);
  if (["kernels", "objects", "rows"].every((name) => Array.isArray(fields?.[name]))) return;
  const hint = typeof report === "string" ? "; parseReport(text) makes one of JSON" : "";
  throw new TypeError(
    `${what}: expected a report of check, and was given ${described(report)}${hint}`,
  );
}

/** @throws TypeError when `json` is no text. */
export function requireText(what: string, json: unknown): void {
  if (typeof json === "string") return;
  const hint = json instanceof Uint8Array ? '; read the file as "utf8"' : "";
  throw new TypeError(`${what}: expected JSON text, and was given ${described(json)}${hint}`);
}

function requireNamed(what: string, value: unknown, known: readonly string[]): Fields {
  const fields = value instanceof Uint8Array || Array.isArray(value) ? undefined : fieldsOf(value);
  if (fields === undefined || isPromise(value)) {
    const hint = typeof value === "string" ? "; a path is not read" : "";
    throw new TypeError(
      `${what}: expected { name, btf }, and was given ${described(value)}${hint}`,
    );
  }
  checkOptions(what, fields, known);
  if (typeof fields["name"] !== "string") {
    throw new TypeError(
      `${what}: name: expected a string, and was given ${described(fields["name"])}`,
    );
  }
  return fields;
}

type Fields = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function fieldsOf(value: unknown): Fields | undefined {
  return isObject(value) ? (value as Fields) : undefined;
}

function isPromise(value: unknown): boolean {
  return typeof fieldsOf(value)?.["then"] === "function";
}

/** What a value is, in words such as `the string "6.1.btf"`. */
function described(value: unknown): string {
  if (typeof value === "string") {
    const short = value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
    return `the string ${JSON.stringify(short)}`;
  }
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "function") return "a function";
  if (typeof value !== "object") return `a ${typeof value}`;
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
  if (typeof name !== "string" || name === "" || name === "Object") return "another object";
  return `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`;
}
