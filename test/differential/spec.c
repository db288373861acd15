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
//     "programs": [ { "name", "section", "typeId", "attachTypeId", "autoload", "instructions" } ],
//     "maps": [ { "name", "typeId", "keySize", "valueSize", "maxEntries", "flags", "pinning", "pinPath", "mapExtra",
//                 "numaNode", "keyTypeId", "valueTypeId", "internal", "autocreate", "contents", "inner" } ] }
//
// `instructions` are those of the program's own function: libbpf appends subprograms only while loading. Maps of data
// sections have the names libbpf gives them (`.rodata` becomes `<object>.rodata`) and "internal": true; `contents` is
// how many bytes they hold, null for other maps. Maps of externs (.kconfig) are listed, too. `kernelVersion` is the
// running kernel's where the object names none. A file that libbpf refuses gives { "file", "libbpf", "error", "log" }
// and exit status 1; `log` holds libbpf's warnings.

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

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
	printf(", \"typeId\": %d, \"attachTypeId\": %d, \"autoload\": %s, \"instructions\": %zu }",
	       bpf_program__type(program), bpf_program__expected_attach_type(program),
	       boolean(bpf_program__autoload(program)), bpf_program__insn_cnt(program));
}

static void print_map(struct bpf_map *map)
{
	struct bpf_map *inner = bpf_map__inner_map(map);
	unsigned long long extra = bpf_map__map_extra(map);
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
	if (bpf_map__is_internal(map) && bpf_map__initial_value(map, &size))
		printf(", \"contents\": %zu", size);
	else
		printf(", \"contents\": null");
	printf(", \"inner\": ");
	if (inner)
		print_map(inner);
	else
		printf("null");
	printf(" }");
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
	printf("%s] }", *separator ? "\n  " : "");
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
