import { suite } from "uvu";
import * as assert from "uvu/assert";
import { declaration, Kind, type NewType, typeName } from "../../btf/index.ts";
import { BtfError } from "../../src/error.ts";
import { btfOf, int } from "../helper/types.ts";

const test = suite("btf/print");

test("types read as C writes them", () => {
  const types: readonly (readonly [NewType, string, string])[] = [
    [int, "int", "int x"],
    [{ kind: Kind.PTR, type: 1 }, "int *", "int *x"],
    [{ kind: Kind.ARRAY, element: 1, index: 1, length: 4 }, "int[4]", "int x[4]"],
    [{ kind: Kind.ARRAY, element: 3, index: 1, length: 2 }, "int[2][4]", "int x[2][4]"],
    [{ kind: Kind.PTR, type: 3 }, "int (*)[4]", "int (*x)[4]"],
    [{ kind: Kind.ARRAY, element: 2, index: 1, length: 9 }, "int *[9]", "int *x[9]"],
    [{ kind: Kind.CONST, type: 1 }, "const int", "const int x"],
    [{ kind: Kind.PTR, type: 7 }, "const int *", "const int *x"],
    [{ kind: Kind.CONST, type: 8 }, "const int *const", "const int *const x"],
    [{ kind: Kind.RESTRICT, type: 9 }, "const int *restrict const", "const int *restrict const x"],
    [{ kind: Kind.VOLATILE, type: 7 }, "volatile const int", "volatile const int x"],
    [{ kind: Kind.STRUCT, name: "s", size: 0, members: [] }, "struct s", "struct s x"],
    [{ kind: Kind.UNION, size: 0, members: [] }, "union {…}", "union {…} x"],
    [{ kind: Kind.PTR, type: 12 }, "struct s *", "struct s *x"],
    [{ kind: Kind.FWD, name: "f", union: true }, "union f", "union f x"],
    [{ kind: Kind.FWD, name: "f", union: false }, "struct f", "struct f x"],
    [{ kind: Kind.ENUM, name: "e", size: 4, signed: false, values: [] }, "enum e", "enum e x"],
    [{ kind: Kind.ENUM64, size: 8, signed: false, values: [] }, "enum {…}", "enum {…} x"],
    [{ kind: Kind.TYPEDEF, name: "u32", type: 1 }, "u32", "u32 x"],
    [
      {
        kind: Kind.FUNC_PROTO,
        returns: 14,
        parameters: [
          { name: "a", type: 8 },
          { name: "", type: 1 },
          { name: "", type: 0 },
        ],
      },
      "struct s *(const int *a, int, ...)",
      "struct s *x(const int *a, int, ...)",
    ],
    [
      { kind: Kind.PTR, type: 20 },
      "struct s *(*)(const int *a, int, ...)",
      "struct s *(*x)(const int *a, int, ...)",
    ],
    [
      { kind: Kind.FUNC, name: "go", type: 20, linkage: 1 },
      "struct s *go(const int *a, int, ...)",
      "struct s *x(const int *a, int, ...)",
    ],
    [{ kind: Kind.FUNC_PROTO, returns: 0, parameters: [] }, "void (void)", "void x(void)"],
    [{ kind: Kind.TYPE_TAG, name: "rcu", type: 12 }, "struct s", "struct s x"],
    [{ kind: Kind.PTR, type: 24 }, "struct s *", "struct s *x"],
    [{ kind: Kind.VAR, name: "v", type: 3, linkage: 1 }, "int[4]", "int x[4]"],
    [{ kind: Kind.PTR, type: 0 }, "void *", "void *x"],
    [{ kind: Kind.FLOAT, name: "double", size: 8 }, "double", "double x"],
    [{ kind: Kind.DATASEC, name: ".bss", size: 8, variables: [] }, ".bss", ".bss x"],
    [{ kind: Kind.CONST, type: 6 }, "int *const[9]", "int *const x[9]"],
  ];
  const btf = btfOf(...types.map(([type]) => type));
  for (const [i, [, name, declared]] of types.entries()) {
    assert.is(typeName(btf, i + 1), name, `type ${i + 1}`);
    assert.is(declaration(btf, i + 1, "x"), declared, `type ${i + 1}`);
  }
  assert.is(typeName(btf, 0), "void");
});

test("circles and explosions are cut short", () => {
  const parameters = Array.from({ length: 1000 }, () => ({ name: "p", type: 2 }));
  const btf = btfOf(
    { kind: Kind.PTR, type: 1 },
    { kind: Kind.FUNC_PROTO, returns: 2, parameters },
    { kind: Kind.CONST, type: 3 },
  );
  for (const id of [1, 2, 3]) {
    const text = typeName(btf, id);
    assert.ok(text.includes("…"), text);
    assert.ok(text.length < 3000, String(text.length));
  }
  assert.throws(
    () => typeName(btf, 4),
    (error: unknown) => error instanceof BtfError,
  );
});

test.run();
