/**
 * `--set NAME=VALUE`: values of an object's constants, variables and configuration, before it is loaded.
 *
 * @module
 */

import type { KconfigValue } from "../externs/index.ts";
import type { ObjectSpec } from "../spec/index.ts";
import { CommandError, noSuch } from "./command.ts";
import { parseValue } from "./value.ts";

/**
 * Gives variables their values; those of the kernel's configuration are returned for loading.
 *
 * @throws CommandError for a name that the object does not have, or a value that does not fit.
 */
export function setVariables(
  spec: Pick<ObjectSpec, "variables" | "kconfig">,
  values: readonly [name: string, text: string][],
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
      const names = [...Object.keys(spec.variables), ...spec.kconfig.map((extern) => extern.name)];
      throw new CommandError(`--set: ${noSuch("the object has no variable", name, names)}`);
    }
  }
  return kconfig;
}
