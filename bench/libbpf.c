// SPDX-License-Identifier: MIT
//
// libbpf's side of the measurements of events as they come (latency.ts, flood.ts): reads the map whose descriptor is
// number 3.
//
//     reader rb|pb COUNT    how many ns each of so many records was old when it was shown, one a line
//     reader rb 0           reads until its input ends; how many records there were

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <bpf/libbpf.h>

#define PERF_PAGES 64

static unsigned long long *ages;
static unsigned long count, wanted;

static unsigned long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static void take(const void *data)
{
	if (count < wanted)
		ages[count] = now() - *(const unsigned long long *)data;
	count++;
}

static int on_record(void *context, void *data, size_t size)
{
	(void)context, (void)size;
	take(data);
	return 0;
}

static void on_sample(void *context, int cpu, void *data, unsigned int size)
{
	(void)context, (void)cpu, (void)size;
	take(data);
}

static int ended(void)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };

	return poll(&input, 1, 0) > 0;
}

int main(int argc, char **argv)
{
	struct ring_buffer *ring = NULL;
	struct perf_buffer *perf = NULL;
	int found;

	if (argc != 3)
		return 2;
	wanted = strtoul(argv[2], NULL, 10);
	ages = calloc(wanted + 1, sizeof(*ages));
	if (!strcmp(argv[1], "rb"))
		ring = ring_buffer__new(3, on_record, NULL, NULL);
	else
		perf = perf_buffer__new(3, PERF_PAGES, on_sample, NULL, NULL, NULL);
	if (!ring && !perf)
		return 1;
	puts("ready");
	fflush(stdout);
	for (;;) {
		found = ring ? ring_buffer__poll(ring, 100) : perf_buffer__poll(perf, 100);
		if (wanted ? count >= wanted : found <= 0 && ended())
			break;
	}
	for (unsigned long index = 0; index < wanted; index++)
		printf("%llu\n", ages[index]);
	if (!wanted)
		printf("%lu\n", count);
	ring_buffer__free(ring);
	perf_buffer__free(perf);
	return 0;
}
