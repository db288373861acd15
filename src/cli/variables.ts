/**
 * `--set NAME=VALUE`: values of an object's constants, variables and configuration, before it is loaded.
 *
 * @module
 */

import type { KconfigValue } from "../externs/index.ts";
import type { ObjectSpec } from "../spec/index.ts";
import { CommandError, noSuch } from "./command.ts";
import { parseValue } from "./value.ts";

type Settable = Pick<ObjectSpec, "variables" | "kconfig">;

function namesOf({ variables, kconfig }: Settable): string[] {
  return [...Object.keys(variables), ...kconfig.map((extern) => extern.name)];
}

/**
 * Gives variables their values; those of the kernel's configuration are returned for loading. Of several objects, each takes what it has.
 *
 * @throws CommandError for a name that none of the objects has, or a value that does not fit.
 */
export function setVariables(
  spec: Settable,
  values: readonly [name: string, text: string][],
  objects: readonly Settable[] = [spec],
): Record<string, KconfigValue> {
  const kconfig: Record<string, KconfigValue> = Object.create(null);
  for (const [name, text] of values) {
    const value = parseValue(text);
    const variable = spec.variables[name];
    if (variable !== undefined) {
      try {
        variable.set(value);
      } catch (error) {
        if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
        throw new CommandError(`--set ${name}: ${error.message}`, { cause: error });
      }
    } else if (spec.kconfig.some((extern) => extern.name === name)) {
      kconfig[name] = value as KconfigValue;
    } else {
      const names = [...new Set(objects.flatMap(namesOf))];
      if (names.includes(name)) continue;
      const who = objects.length > 1 ? "no object has a variable" : "the object has no variable";
      throw new CommandError(`--set: ${noSuch(who, name, names)}`);
    }
  }
  return kconfig;
}
