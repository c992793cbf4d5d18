// SimHost: the Linux process that stands in for a machine: memory, clock, options, output.
#ifndef APUS_SIM_HOST_H
#define APUS_SIM_HOST_H
#include <stdint.h>

/// Options of the command line, with their defaults.
uint64_t sim_cpus(void);
uint64_t sim_seed(void);
uint64_t sim_runs(void);
uint64_t sim_traces(void);
/// Zeroed memory of `bytes` bytes, aligned to 4096, for ever.
void *sim_memory(uint64_t bytes);
/// Makes `block` the calling thread's CPU block.
void sim_enter(void *block);
/// Moves the virtual clock to `ticks` (nanoseconds).
void sim_set_clock(uint64_t ticks);
uint64_t sim_clock(void);
/// The bit of a CPU that was kicked since the last call.
uint64_t sim_take_kicks(void);
/// One byte to standard output.
void sim_put(uint8_t byte);
/// Flushes the output and ends the process.
void sim_exit(int32_t code) __attribute__((noreturn));
#endif
