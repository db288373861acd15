/**
 * How much slower than a usual machine this one is: guests of the kernel matrix are emulated.
 *
 * Only for limits of time, after which a test gives up, and for moments that must spread over a start-up.
 *
 * @module
 */

/** A factor, 1 unless `EBPF_TEST_SLOWNESS` says otherwise. */
export const SLOWNESS: number = Number(process.env["EBPF_TEST_SLOWNESS"] ?? 1);
