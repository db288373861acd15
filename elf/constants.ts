/**
 * Named numbers of the ELF format: file, section, segment and symbol kinds, machines and BPF relocation types.
 *
 * Values are those of `include/uapi/linux/elf.h`, and of the System V ABI (glibc's `elf.h`) where Linux names none.
 * Only what this package reads or prints is named.
 *
 * @module
 */

/** What a file is for (`e_type`). */
export const FileType = {
  /** `ET_NONE`. */
  NONE: 0,
  /** `ET_REL`: relocatable; what a BPF compiler writes. */
  REL: 1,
  /** `ET_EXEC`: executable at fixed addresses. */
  EXEC: 2,
  /** `ET_DYN`: shared object or position-independent executable. */
  DYN: 3,
  /** `ET_CORE`. */
  CORE: 4,
} as const;
export type FileType = (typeof FileType)[keyof typeof FileType];

/** Processor architectures (`e_machine`). */
export const Machine = {
  /** `EM_NONE`; old LLVM wrote BPF objects with it. */
  NONE: 0,
  /** `EM_386`. */
  I386: 3,
  /** `EM_PPC64`. */
  PPC64: 21,
  /** `EM_S390`. */
  S390: 22,
  /** `EM_ARM`. */
  ARM: 40,
  /** `EM_X86_64`. */
  X86_64: 62,
  /** `EM_AARCH64`. */
  AARCH64: 183,
  /** `EM_RISCV`. */
  RISCV: 243,
  /** `EM_BPF`. */
  BPF: 247,
  /** `EM_LOONGARCH`. */
  LOONGARCH: 258,
} as const;
export type Machine = (typeof Machine)[keyof typeof Machine];

/** What a section holds (`sh_type`). */
export const SectionType = {
  /** `SHT_NULL`: no section; index 0 always is one. */
  NULL: 0,
  /** `SHT_PROGBITS`: code or data. */
  PROGBITS: 1,
  /** `SHT_SYMTAB`: all symbols. */
  SYMTAB: 2,
  /** `SHT_STRTAB`: strings. */
  STRTAB: 3,
  /** `SHT_RELA`: relocations with addends. */
  RELA: 4,
  /** `SHT_HASH`. */
  HASH: 5,
  /** `SHT_DYNAMIC`. */
  DYNAMIC: 6,
  /** `SHT_NOTE`. */
  NOTE: 7,
  /** `SHT_NOBITS`: zeroes that take no room in the file. */
  NOBITS: 8,
  /** `SHT_REL`: relocations whose addends are in the patched bytes. */
  REL: 9,
  /** `SHT_DYNSYM`: the symbols that dynamic linking needs. */
  DYNSYM: 11,
  /** `SHT_INIT_ARRAY`. */
  INIT_ARRAY: 14,
  /** `SHT_FINI_ARRAY`. */
  FINI_ARRAY: 15,
  /** `SHT_GROUP`. */
  GROUP: 17,
  /** `SHT_SYMTAB_SHNDX`: section indices that do not fit a symbol's 16 bits. */
  SYMTAB_SHNDX: 18,
  /** `SHT_GNU_HASH`. */
  GNU_HASH: 0x6ffffff6,
  /** `SHT_LLVM_ADDRSIG`. */
  LLVM_ADDRSIG: 0x6fff4c03,
} as const;
export type SectionType = (typeof SectionType)[keyof typeof SectionType];

/** Attributes of a section (bits of `sh_flags`). */
export const SectionFlag = {
  /** `SHF_WRITE`. */
  WRITE: 0x1,
  /** `SHF_ALLOC`: present in memory at run time. */
  ALLOC: 0x2,
  /** `SHF_EXECINSTR`: instructions. */
  EXECINSTR: 0x4,
  /** `SHF_MERGE`. */
  MERGE: 0x10,
  /** `SHF_STRINGS`. */
  STRINGS: 0x20,
  /** `SHF_INFO_LINK`: `info` is a section index. */
  INFO_LINK: 0x40,
  /** `SHF_GROUP`. */
  GROUP: 0x200,
  /** `SHF_TLS`. */
  TLS: 0x400,
  /** `SHF_COMPRESSED`. */
  COMPRESSED: 0x800,
} as const;
export type SectionFlag = (typeof SectionFlag)[keyof typeof SectionFlag];

/** Section numbers that are no index (`st_shndx`). */
export const SectionIndex = {
  /** `SHN_UNDEF`: not defined in this file. */
  UNDEF: 0,
  /** `SHN_LORESERVE`: the first reserved number. */
  LORESERVE: 0xff00,
  /** `SHN_ABS`: the value is absolute. */
  ABS: 0xfff1,
  /** `SHN_COMMON`: not yet allocated. */
  COMMON: 0xfff2,
  /** `SHN_XINDEX`: the number is kept elsewhere. */
  XINDEX: 0xffff,
} as const;
export type SectionIndex = (typeof SectionIndex)[keyof typeof SectionIndex];

/** What a segment is for (`p_type`). */
export const SegmentType = {
  /** `PT_NULL`. */
  NULL: 0,
  /** `PT_LOAD`: mapped from the file. */
  LOAD: 1,
  /** `PT_DYNAMIC`. */
  DYNAMIC: 2,
  /** `PT_INTERP`. */
  INTERP: 3,
  /** `PT_NOTE`. */
  NOTE: 4,
  /** `PT_PHDR`. */
  PHDR: 6,
  /** `PT_TLS`. */
  TLS: 7,
} as const;
export type SegmentType = (typeof SegmentType)[keyof typeof SegmentType];

/** Access rights of a segment (bits of `p_flags`). */
export const SegmentFlag = {
  /** `PF_X`. */
  EXECUTE: 0x1,
  /** `PF_W`. */
  WRITE: 0x2,
  /** `PF_R`. */
  READ: 0x4,
} as const;
export type SegmentFlag = (typeof SegmentFlag)[keyof typeof SegmentFlag];

/** How far a symbol is seen (high half of `st_info`). */
export const SymbolBinding = {
  /** `STB_LOCAL`. */
  LOCAL: 0,
  /** `STB_GLOBAL`. */
  GLOBAL: 1,
  /** `STB_WEAK`. */
  WEAK: 2,
  /** `STB_GNU_UNIQUE`. */
  GNU_UNIQUE: 10,
} as const;
export type SymbolBinding = (typeof SymbolBinding)[keyof typeof SymbolBinding];

/** What a symbol names (low half of `st_info`). */
export const SymbolType = {
  /** `STT_NOTYPE`: labels; with clang before 9, every symbol of a BPF object. */
  NOTYPE: 0,
  /** `STT_OBJECT`: a variable. */
  OBJECT: 1,
  /** `STT_FUNC`. */
  FUNC: 2,
  /** `STT_SECTION`: the start of a section; its name is empty. */
  SECTION: 3,
  /** `STT_FILE`. */
  FILE: 4,
  /** `STT_COMMON`. */
  COMMON: 5,
  /** `STT_TLS`. */
  TLS: 6,
  /** `STT_GNU_IFUNC`: a function that picks the function. */
  GNU_IFUNC: 10,
} as const;
export type SymbolType = (typeof SymbolType)[keyof typeof SymbolType];

/** Who may bind to a symbol (low two bits of `st_other`). */
export const SymbolVisibility = {
  /** `STV_DEFAULT`. */
  DEFAULT: 0,
  /** `STV_INTERNAL`. */
  INTERNAL: 1,
  /** `STV_HIDDEN`. */
  HIDDEN: 2,
  /** `STV_PROTECTED`. */
  PROTECTED: 3,
} as const;
export type SymbolVisibility = (typeof SymbolVisibility)[keyof typeof SymbolVisibility];

/** Relocation types of BPF objects (`Documentation/bpf/llvm_reloc.rst`). */
export const BpfRelocationType = {
  /** `R_BPF_NONE`. */
  NONE: 0,
  /** `R_BPF_64_64`: the 64-bit immediate of a two-slot load. */
  BPF_64_64: 1,
  /** `R_BPF_64_ABS64`: 64 bits of data. */
  BPF_64_ABS64: 2,
  /** `R_BPF_64_ABS32`: 32 bits of data. */
  BPF_64_ABS32: 3,
  /** `R_BPF_64_NODYLD32`: 32 bits in `.BTF` and `.BTF.ext`, not for a loader. */
  BPF_64_NODYLD32: 4,
  /** `R_BPF_64_32`: the immediate of a call. */
  BPF_64_32: 10,
} as const;
export type BpfRelocationType = (typeof BpfRelocationType)[keyof typeof BpfRelocationType];
