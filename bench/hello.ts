/**
 * The program that B5 starts: loads an object, attaches it, writes one byte and ends with its input.
 *
 *     node dist/bench/hello.js OBJECT
 *
 * It imports the package by its name, since what an application loads is the published files, with all that it does not use.
 *
 * @module
 */

import { readFileSync, writeSync } from "node:fs";
import { CollectionSpec } from "ebpf";

const STANDARD_INPUT = 0;
const STANDARD_OUTPUT = 1;

const [, , object = ""] = process.argv;
using collection = CollectionSpec.fromFile(object).loadSync();
using links = collection.attach();
if (links.size === 0) throw new Error(`nothing is attached: ${JSON.stringify(links.skipped)}`);
writeSync(STANDARD_OUTPUT, "A");
readFileSync(STANDARD_INPUT);
