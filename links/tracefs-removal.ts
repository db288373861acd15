/**
 * Removes events of tracefs, one at once or many together on another thread: each takes the kernel some milliseconds.
 *
 * @module
 */

import { closeSync, constants, openSync, promises, writeSync } from "node:fs";
import { fileError } from "../src/sys/file.ts";
import { tracefs } from "../src/sys/paths.ts";

/** The file of tracefs that makes probes of one kind. */
export type ProbeList = "kprobe_events" | "uprobe_events";

/** Opening the file in any other way would remove all events. */
const APPEND = constants.O_WRONLY | constants.O_APPEND;

interface Removing {
  readonly list: ProbeList;
  readonly name: string;
  readonly target: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

let givenUp: Removing[] = [];

/** One command. Throws SyscallError. */
export function writeCommand(path: string, command: string, doing: string): void {
  let fd: number | undefined;
  try {
    fd = openSync(path, APPEND);
    writeSync(fd, `${command}\n`);
  } catch (cause) {
    throw fileError(cause, `${doing} in ${path}`);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Removes an event by its name; one in use, or that has gone, is left alone. Throws SyscallError. */
export function removeTracefsProbe(list: ProbeList, name: string, target: string = name): void {
  try {
    writeCommand(`${tracefs()}/${list}`, `-:${name}`, `remove ${target}`);
  } catch (error) {
    if (!isLeftAlone(error)) throw error;
  }
}

/** As {@link removeTracefsProbe}, with those that are given up in the same turn of the event loop. */
export function removeTracefsProbeSoon(
  list: ProbeList,
  name: string,
  target: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (givenUp.length === 0) queueMicrotask(start);
    givenUp.push({ list, name, target, resolve, reject });
  });
}

function start(): void {
  const batch = givenUp;
  givenUp = [];
  for (const list of new Set(batch.map((one) => one.list))) {
    void removeAll(
      list,
      batch.filter((one) => one.list === list),
    );
  }
}

/** Settles all; never fails itself. */
async function removeAll(list: ProbeList, batch: readonly Removing[]): Promise<void> {
  try {
    await writeSoon(`${tracefs()}/${list}`, batch);
    for (const { resolve } of batch) resolve();
  } catch {
    // The kernel stops at the first that cannot be removed.
    for (const one of batch) await removeOne(one);
  }
}

async function removeOne(one: Removing): Promise<void> {
  try {
    const path = `${tracefs()}/${one.list}`;
    await writeSoon(path, [one]).catch((cause: unknown) => {
      throw fileError(cause, `remove ${one.target} in ${path}`);
    });
    one.resolve();
  } catch (error) {
    if (isLeftAlone(error)) one.resolve();
    else one.reject(error);
  }
}

async function writeSoon(path: string, batch: readonly Removing[]): Promise<void> {
  const file = await promises.open(path, APPEND);
  try {
    await file.appendFile(batch.map(({ name }) => `-:${name}\n`).join(""));
  } finally {
    await file.close();
  }
}

/** A pinned link still uses it, or it has gone with its module. */
function isLeftAlone(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === "EBUSY" || code === "ENOENT";
}
