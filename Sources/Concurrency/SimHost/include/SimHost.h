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
/// Options of a process with threads: how many (0: none), messages between them, seconds, suite.
uint64_t sim_threads(void);
uint64_t sim_wakes(void);
uint64_t sim_limit(void);
uint32_t sim_has_suite(void);
uint32_t sim_is_suite(const char *name);
/// A byte of the suite's options; 0 behind the last.
uint8_t sim_word_byte(uint64_t index);
/// From now on the clock is the time-stamp counter; measures its rate.
void sim_use_real_clock(void);
extern uint32_t sim_clock_is_real;
/// What the clock shows (clock.S): the time-stamp counter, or else this word: the virtual clock, or one that steps move.
extern uint32_t sim_clock_is_counter;
extern uint64_t sim_clock_word;
uint64_t sim_ticks(void);
uint64_t sim_kilohertz(void);
/// Runs `body` on `threads` pinned threads and waits for their end; 0 if `limit` seconds pass first.
uint32_t sim_run_threads(uint64_t threads, uint64_t limit, void (*body)(void *context, uint64_t cpu), void *context);
extern uint64_t sim_dropped_kick;
/// Ends the halt of `cpu`, or its next one.
void sim_kick(uint32_t cpu);
/// Sleeps until a kick of `cpu` or tick `deadline` (all ones: none).
void sim_halt(uint32_t cpu, uint64_t deadline);
/// Asks all threads to end.
void sim_stop(void);
uint32_t sim_is_stopping(void);
/// Bytes that the tasks' pools hold.
uint64_t sim_task_bytes(void);
/// The words of the calling thread's CPU in which its stock of heap objects lies, zeroed once; null before `sim_enter`.
void *sim_stock(void);
/// glibc's memory, and giving it back.
void *sim_allocate(uint64_t bytes, uint64_t alignment);
void sim_free(void *memory);
/// Calls of glibc's heap for objects so far.
uint64_t sim_heap_calls(void);
/// Counts this thread's instructions and locked instructions by single steps, from one call to the other.
void sim_begin_count(void);
void sim_end_count(void);
uint64_t sim_counted_instructions(void);
uint64_t sim_counted_locked(void);
/// Interrupts this thread by a signal; its handler's first stamp.
void sim_interrupt(void);
uint64_t sim_interrupt_stamp(void);
/// Empties the first two levels of cache.
void sim_cool(void);
/// One byte to standard output.
void sim_put(uint8_t byte);
/// Flushes the output and ends the process.
void sim_exit(int32_t code) __attribute__((noreturn));
#endif
