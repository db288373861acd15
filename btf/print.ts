/**
 * BTF types as C text: the name of a type, and the declaration of something that has it. Whole
 * dumps are not made here.
 *
 * Type tags and attributes are left out.
 *
 * @module
 */

import type { Btf } from "./btf.ts";
import { Kind } from "./kind.ts";
import type { BtfType, FuncProtoType } from "./type.ts";

/** Types followed for one text; prototypes of prototypes can multiply, and cycles never end. */
const BUDGET = 200;

/** Characters of one text; names of a thousand bytes, each taken 200 times, would be more than anybody reads. */
const MAX_LENGTH = 1000;

/** What stands for a part that is too deep or too long to print. */
const ELLIPSIS = "…";

/**
 * C text of a type: `struct task_struct *`, `unsigned int[4]`, `int (*)(void *, int)`, `struct {…}`
 * without a name.
 *
 * Never fails for a cycle; what goes on too long ends in `…`. Throws BtfError for an id that does
 * not exist.
 */
export function typeName(btf: Btf, id: number): string {
  return declaration(btf, id, "");
}

/**
 * C text that declares `name` with a type, without a semicolon: `char name[16]`; as {@link
 * typeName} without a name.
 */
export function declaration(btf: Btf, id: number, name: string): string {
  const text = declare(btf, id, name, { left: BUDGET });
  return text.length <= MAX_LENGTH ? text : text.slice(0, MAX_LENGTH) + ELLIPSIS;
}

/** How much more may be printed. */
interface Budget {
  left: number;
}

/**
 * C declares inside out: what is known so far grows to the left with pointers and to the right with
 * arrays and parameters, until a type with a name of its own ends it.
 */
function declare(btf: Btf, id: number, name: string, budget: Budget): string {
  let declarator = name;
  // Qualifiers met so far: they belong to the pointer or the named type that follows.
  let qualifiers = "";
  let at = id;
  for (;;) {
    if (budget.left-- <= 0) return join(ELLIPSIS, declarator);
    const type = btf.type(at);
    switch (type.kind) {
      case Kind.CONST:
        qualifiers = qualify(qualifiers, "const");
        at = type.type;
        break;
      case Kind.VOLATILE:
        qualifiers = qualify(qualifiers, "volatile");
        at = type.type;
        break;
      case Kind.RESTRICT:
        qualifiers = qualify(qualifiers, "restrict");
        at = type.type;
        break;
      case Kind.TYPE_TAG:
      case Kind.VAR:
      case Kind.DECL_TAG:
        at = type.type;
        break;
      case Kind.PTR:
        declarator = `*${join(qualifiers, declarator)}`;
        qualifiers = "";
        at = type.type;
        break;
      case Kind.ARRAY:
        declarator = `${grouped(declarator)}[${type.length}]`;
        at = type.element;
        break;
      case Kind.FUNC:
        if (declarator === "") declarator = type.name;
        at = type.type;
        break;
      case Kind.FUNC_PROTO:
        declarator = `${grouped(declarator)}(${parameters(btf, type, budget)})`;
        qualifiers = "";
        at = type.returns;
        break;
      default:
        return join(join(qualifiers, ownName(type)), declarator);
    }
  }
}

function parameters(btf: Btf, type: FuncProtoType, budget: Budget): string {
  if (type.parameters.length === 0) return "void";
  const texts: string[] = [];
  for (const [i, { name, type: id }] of type.parameters.entries()) {
    if (budget.left <= 0) {
      texts.push(ELLIPSIS);
      break;
    }
    const variadic = id === 0 && i === type.parameters.length - 1;
    texts.push(variadic ? "..." : declare(btf, id, name, budget));
  }
  return texts.join(", ");
}

function ownName(type: BtfType): string {
  switch (type.kind) {
    case Kind.VOID:
      return "void";
    case Kind.STRUCT:
      return `struct ${type.name || "{…}"}`;
    case Kind.UNION:
      return `union ${type.name || "{…}"}`;
    case Kind.ENUM:
    case Kind.ENUM64:
      return `enum ${type.name || "{…}"}`;
    case Kind.FWD:
      return `${type.union ? "union" : "struct"} ${type.name}`;
    default:
      return type.name;
  }
}

/** A pointer that becomes an array or a function needs parentheses. */
function grouped(declarator: string): string {
  return declarator.startsWith("*") ? `(${declarator})` : declarator;
}

function qualify(qualifiers: string, one: string): string {
  return qualifiers === "" ? one : `${qualifiers} ${one}`;
}

/** Two words with a space between, but none before `[` and at an empty end. */
function join(left: string, right: string): string {
  if (left === "" || right === "") return left + right;
  return right.startsWith("[") ? left + right : `${left} ${right}`;
}
