// SPDX-License-Identifier: MIT
//
// Prints as JSON what libbpf makes of an object before loading it: the other opinion, to compare `ebpf inspect` with.
// Nothing is loaded, so it needs neither root nor a kernel with BPF.
//
//   cc -O2 -Wall spec.c -o spec -lbpf        libbpf 1.1 or newer
//   ./spec FILE…
//
// One object for one file, an array for several, in the shape of `ebpf inspect --json` as far as libbpf tells:
//
//   { "file", "libbpf", "kernelVersion",
//     "programs": [ { "name", "section", "typeId", "attachTypeId", "flags", "autoload", "instructions" } ],
//     "maps": [ { "name", "typeId", "keySize", "valueSize", "maxEntries", "flags", "pinning", "pinPath", "mapExtra",
//                 "numaNode", "keyTypeId", "valueTypeId", "internal", "autocreate", "contents", "inner" } ],
//     "variables": [ { "name", "section", "offset", "size", "linkage" } ] }
//
// `instructions` are those of the program's own function: libbpf appends subprograms only while loading. Maps of data
// sections have the names libbpf gives them (`.rodata` becomes `<object>.rodata`) and "internal": true; `contents` is
// what they, function tables and arenas hold, in hexadecimal, null for other maps and where an older libbpf does not
// tell. Maps of externs (.kconfig) are listed, too. `variables` are those of BTF's sections, whose offsets and sizes
// libbpf has filled in from the symbols. `kernelVersion` is the running kernel's where the object names none. A file
// that libbpf refuses gives { "file", "libbpf", "error", "log" } and exit status 1; `log` holds libbpf's warnings.

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

/* Newer than the headers of Debian. */
#define MAP_TYPE_ARENA 33

static char log_text[16384];
static size_t log_length;

/* Keeps warnings for the report; what does not fit is cut off. */
static int keep_warning(enum libbpf_print_level level, const char *format, va_list arguments)
{
	int length;

	if (level != LIBBPF_WARN)
		return 0;
	length = vsnprintf(log_text + log_length, sizeof(log_text) - log_length, format, arguments);
	if (length > 0)
		log_length += length;
	if (log_length >= sizeof(log_text))
		log_length = sizeof(log_text) - 1;
	return length;
}

static void print_string(const char *text)
{
	if (!text) {
		printf("null");
		return;
	}
	putchar('"');
	for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
		if (*at == '"' || *at == '\\')
			printf("\\%c", *at);
		else if (*at < 0x20 || *at >= 0x7f)
			printf("\\u%04x", *at);
		else
			putchar(*at);
	}
	putchar('"');
}

static void print_text(const char *name, const char *text)
{
	printf("\"%s\": ", name);
	print_string(text);
}

static const char *boolean(bool value)
{
	return value ? "true" : "false";
}

static void print_program(struct bpf_program *program)
{
	printf("{ ");
	print_text("name", bpf_program__name(program));
	printf(", ");
	print_text("section", bpf_program__section_name(program));
	printf(", \"typeId\": %d, \"attachTypeId\": %d, \"flags\": %u, \"autoload\": %s, \"instructions\": %zu }",
	       bpf_program__type(program), bpf_program__expected_attach_type(program), bpf_program__flags(program),
	       boolean(bpf_program__autoload(program)), bpf_program__insn_cnt(program));
}

static void print_map(struct bpf_map *map)
{
	struct bpf_map *inner = bpf_map__inner_map(map);
	unsigned long long extra = bpf_map__map_extra(map);
	bool filled = bpf_map__is_internal(map) || bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS ||
		      bpf_map__type(map) == MAP_TYPE_ARENA;
	const unsigned char *contents;
	size_t size = 0;

	printf("{ ");
	print_text("name", bpf_map__name(map));
	printf(", \"typeId\": %d, \"keySize\": %u, \"valueSize\": %u, \"maxEntries\": %u, \"flags\": %u",
	       bpf_map__type(map), bpf_map__key_size(map), bpf_map__value_size(map), bpf_map__max_entries(map),
	       bpf_map__map_flags(map));
	/* libbpf has no getter of the pinning itself; it sets a path for maps that are pinned by name. */
	printf(", \"pinning\": %d, ", bpf_map__pin_path(map) ? 1 : 0);
	print_text("pinPath", bpf_map__pin_path(map));
	printf(extra >> 53 ? ", \"mapExtra\": \"%llu\"" : ", \"mapExtra\": %llu", extra);
	printf(", \"numaNode\": %u, \"keyTypeId\": %u, \"valueTypeId\": %u", bpf_map__numa_node(map),
	       bpf_map__btf_key_type_id(map), bpf_map__btf_value_type_id(map));
	printf(", \"internal\": %s, \"autocreate\": %s", boolean(bpf_map__is_internal(map)),
	       boolean(bpf_map__autocreate(map)));
	contents = filled ? bpf_map__initial_value(map, &size) : NULL;
	if (contents) {
		printf(", \"contents\": \"");
		for (size_t i = 0; i < size; i++)
			printf("%02x", contents[i]);
		printf("\"");
	} else {
		printf(", \"contents\": null");
	}
	printf(", \"inner\": ");
	if (inner)
		print_map(inner);
	else
		printf("null");
	printf(" }");
}

static void print_variables(const struct btf *btf)
{
	const char *separator = "";

	for (unsigned int id = 1; btf && id < btf__type_cnt(btf); id++) {
		const struct btf_type *section = btf__type_by_id(btf, id);
		const struct btf_var_secinfo *entry = btf_var_secinfos(section);

		if (!btf_is_datasec(section))
			continue;
		for (int i = 0; i < btf_vlen(section); i++, entry++) {
			const struct btf_type *variable = btf__type_by_id(btf, entry->type);

			if (!btf_is_var(variable))
				continue;
			printf("%s\n    { ", separator);
			print_text("name", btf__name_by_offset(btf, variable->name_off));
			printf(", ");
			print_text("section", btf__name_by_offset(btf, section->name_off));
			printf(", \"offset\": %u, \"size\": %u, \"linkage\": %u }", entry->offset, entry->size,
			       btf_var(variable)->linkage);
			separator = ",";
		}
	}
	printf("%s", *separator ? "\n  " : "");
}

static bool print_object(const char *file)
{
	struct bpf_object *object;
	struct bpf_program *program;
	struct bpf_map *map;
	const char *separator = "";
	char reason[128];
	int error;

	log_length = 0;
	log_text[0] = 0;
	errno = 0;
	object = bpf_object__open_file(file, NULL);
	error = object ? 0 : errno;

	printf("{ ");
	print_text("file", file);
	printf(", ");
	print_text("libbpf", libbpf_version_string());
	if (!object) {
		libbpf_strerror(error, reason, sizeof(reason));
		printf(", ");
		print_text("error", reason);
		printf(", ");
		print_text("log", log_text);
		printf(" }");
		return false;
	}
	printf(", \"kernelVersion\": %u,\n  \"programs\": [", bpf_object__kversion(object));
	bpf_object__for_each_program(program, object) {
		printf("%s\n    ", separator);
		print_program(program);
		separator = ",";
	}
	printf("%s],\n  \"maps\": [", *separator ? "\n  " : "");
	separator = "";
	bpf_object__for_each_map(map, object) {
		printf("%s\n    ", separator);
		print_map(map);
		separator = ",";
	}
	printf("%s],\n  \"variables\": [", *separator ? "\n  " : "");
	print_variables(bpf_object__btf(object));
	printf("] }");
	bpf_object__close(object);
	return true;
}

int main(int count, char **arguments)
{
	bool good = true;

	if (count < 2) {
		fprintf(stderr, "usage: %s FILE…\n", arguments[0]);
		return 2;
	}
	libbpf_set_print(keep_warning);
	if (count > 2)
		printf("[");
	for (int i = 1; i < count; i++) {
		if (i > 1)
			printf(",\n");
		good &= print_object(arguments[i]);
	}
	printf(count > 2 ? "]\n" : "\n");
	return good ? 0 : 1;
}
