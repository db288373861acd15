/**
 * Which kinds of types the kernel takes from objects: the smallest BTF with one of each is offered.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { BtfBuilder, Kind } from "../../btf/index.ts";
import { hostLittleEndian, viewOf } from "../bytes.ts";
import { SyscallError } from "../error.ts";
import { objectInfo } from "../sys/bpf.ts";
import { BTF_INFO } from "../sys/btf-object.ts";
import { type FeatureAnswer, judge, supported, unknown, unsupported } from "./answer.ts";
import { withTypes } from "./attempt.ts";
import { type Feature, feature } from "./feature.ts";

const INFO_SIZE = 32;
const NAME_SIZE = 64;

/** Adds what is tried to types whose first is an `int`. */
type Addition = (types: BtfBuilder) => void;

/** Kinds of types, and what the kernel says of types. */
export const TYPES: {
  readonly kernel_btf: Feature;
  readonly btf: Feature;
  readonly btf_functions: Feature;
  readonly btf_datasec: Feature;
  readonly btf_global_functions: Feature;
  readonly btf_float: Feature;
  readonly btf_decl_tag: Feature;
  readonly btf_type_tag: Feature;
  readonly btf_enum64: Feature;
  readonly btf_qmark_datasec: Feature;
  readonly module_btf: Feature;
} = {
  kernel_btf: feature("types of the kernel itself, for CO-RE", "5.4", kernelTypes),
  btf: feature("types of objects", "4.18", () => offer(() => {})),
  btf_functions: feature("functions among the types", "5.0", () => offer(functionOf(0))),
  btf_datasec: feature("variables and data sections among the types", "5.2", () => {
    return offer(dataSection(".data"));
  }),
  btf_global_functions: feature("functions that are verified by themselves", "5.6", () => {
    return offer(functionOf(1));
  }),
  btf_float: feature("floating-point types", "5.13", () => {
    return offer((types) => types.add({ kind: Kind.FLOAT, name: "float", size: 4 }));
  }),
  btf_decl_tag: feature("tags of declarations", "5.16", () => {
    return offer((types) => {
      const variable = types.add({ kind: Kind.VAR, name: "x", type: 1, linkage: 0 });
      types.add({ kind: Kind.DECL_TAG, name: "tag", type: variable, component: -1 });
    });
  }),
  btf_type_tag: feature("tags of types", "5.17", () => {
    return offer((types) => {
      const tag = types.add({ kind: Kind.TYPE_TAG, name: "tag", type: 1 });
      types.add({ kind: Kind.PTR, type: tag });
    });
  }),
  btf_enum64: feature("enumerations of 64 bits", "6.0", () => {
    return offer((types) => {
      types.add({ kind: Kind.ENUM64, name: "e", size: 8, signed: false, values: [] });
    });
  }),
  btf_qmark_datasec: feature("data sections whose names begin with ?", "6.9", () => {
    return offer(dataSection("?.data"));
  }),
  module_btf: feature("types of modules", "5.11", () => {
    return judge(
      withTypes(
        typesWith(() => {}),
        (btf) => {
          // Names of BTF objects came with those of modules.
          const info = new Uint8Array(INFO_SIZE);
          viewOf(info).setUint32(BTF_INFO.name_len, NAME_SIZE, hostLittleEndian);
          try {
            objectInfo(btf, info, { [BTF_INFO.name]: new Uint8Array(new ArrayBuffer(NAME_SIZE)) });
            return 0;
          } catch (error) {
            if (error instanceof SyscallError) return -error.errno;
            throw error;
          }
        },
      ),
    );
  }),
};

function kernelTypes(): FeatureAnswer {
  if (existsSync("/sys/kernel/btf/vmlinux")) return supported();
  if (!existsSync("/sys/kernel"))
    return unknown("there is no Linux, or sysfs is not mounted on /sys");
  return unsupported(
    "there is no /sys/kernel/btf/vmlinux: the kernel was built without CONFIG_DEBUG_INFO_BTF",
  );
}

function offer(add: Addition): FeatureAnswer {
  return judge(withTypes(typesWith(add), () => 0));
}

function typesWith(add: Addition): Uint8Array {
  const types = new BtfBuilder();
  types.add({ kind: Kind.INT, name: "int", size: 4, ...INT });
  add(types);
  return types.bytes();
}

const INT = { signed: true, char: false, bool: false, bitOffset: 0, bits: 32 } as const;

function functionOf(linkage: 0 | 1): Addition {
  return (types) => {
    const parameters = [{ name: "a", type: 1 }];
    const prototype = types.add({ kind: Kind.FUNC_PROTO, returns: 0, parameters });
    types.add({ kind: Kind.FUNC, name: "x", type: prototype, linkage });
  };
}

function dataSection(name: string): Addition {
  return (types) => {
    const variable = types.add({ kind: Kind.VAR, name: "x", type: 1, linkage: 0 });
    const variables = [{ type: variable, offset: 0, size: 4 }];
    types.add({ kind: Kind.DATASEC, name, size: 4, variables });
  };
}
