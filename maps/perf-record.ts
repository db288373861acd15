/**
 * Where things are in a perf buffer: its first page, and the records behind it
 * (include/uapi/linux/perf_event.h).
 *
 * @module
 */

/** Bytes of the page at which `data_head` and `data_tail` are (`struct perf_event_mmap_page`, both u64). */
export const HEAD = 1024;
export const TAIL = 1032;
/** `enum perf_event_type`. */
export const RECORD_LOST = 2;
export const RECORD_SAMPLE = 9;
export const RECORD_LOST_SAMPLES = 13;
/** `struct perf_event_header`: u32 type, u16 misc, u16 size. */
export const HEADER = 8;
/** Of a sample with `PERF_SAMPLE_RAW` alone: the header and the u32 that counts the bytes which follow. */
export const SAMPLE_HEADER = 12;
