/**
 * `ebpf features`: what the running kernel can do, found out by trying.
 *
 * @module
 */

import { Helper, type HelperName } from "../asm/index.ts";
import {
  describeFeature,
  type FeatureAnswer,
  featureNames,
  haveFeature,
  haveHelper,
  haveMapFlag,
  haveMapType,
  haveProgramType,
  noisyHelpers,
  probedMapFlags,
} from "../features/index.ts";
import { release } from "../sys/kernel.ts";
import { MapFlags, MapType, nameOf, ProgramType } from "../uapi.ts";
import { type Command, CommandError, readArguments } from "./command.ts";
import { type Answer, type Helpers, type Report, reportText } from "./features-text.ts";
import { printJson, printText, say } from "./output.ts";

/** Probes everything and prints it. */
export const features: Command = async (args) => {
  const { values, positionals } = readArguments(args, {
    json: { type: "boolean" },
    helpers: { type: "boolean" },
    full: { type: "boolean" },
  });
  if (positionals.length > 0) {
    throw new CommandError(`features takes no arguments, and there is ${positionals[0]}`);
  }
  const report = probeAll(values.full === true);
  if (values.json === true) printJson(report);
  else printText(reportText(report, values.helpers === true));
  const kinds = [...report.programTypes, ...report.mapTypes];
  if (kinds.every(({ state }) => state === "unknown")) {
    say("this process may try nothing; `ebpf doctor` says what is missing");
  }
  return 0;
};

function probeAll(full: boolean): Report {
  const skipped = full ? [] : noisyHelpers;
  const names = (Object.keys(Helper) as HelperName[]).filter((name) => name !== "unspec");
  const tried = names.filter((name) => !skipped.includes(name));
  const types = typesOf(ProgramType);
  return {
    kernel: release().text,
    programTypes: types.map((type) => ({ ...type, ...answer(haveProgramType(type.typeId)) })),
    mapTypes: typesOf(MapType).map((type) => ({ ...type, ...answer(haveMapType(type.typeId)) })),
    mapFlags: probedMapFlags.map((value) => {
      return { flag: nameOf(MapFlags, value), value, ...answer(haveMapFlag(value)) };
    }),
    features: featureNames.map((name) => {
      return { name, description: describeFeature(name), ...answer(haveFeature(name)) };
    }),
    helpers: types.map((type) => helpersOf(type, tried)),
    skippedHelpers: [...skipped],
  };
}

function typesOf<T extends number>(types: Record<string, T>): { type: string; typeId: T }[] {
  return Object.entries(types)
    .filter(([, typeId]) => typeId !== 0)
    .map(([name, typeId]) => ({ type: name.toLowerCase(), typeId }));
}

function helpersOf(
  { type, typeId }: { type: string; typeId: ProgramType },
  names: readonly HelperName[],
): Helpers {
  const available: string[] = [];
  const unknown: string[] = [];
  let reason: string | null = null;
  for (const name of names) {
    const found = haveHelper(typeId, name);
    if (found.state === "supported") available.push(name);
    if (found.state === "unknown") {
      unknown.push(name);
      reason ??= found.reason;
    }
  }
  return { type, typeId, available, unknown, reason };
}

function answer({ state, code = "", reason, since = "" }: FeatureAnswer): Answer {
  return { state, code: code || null, reason: reason || null, since: since || null };
}
