// state.c: the kernel's few global words, and the weak hooks that the runtime replaces.
#include "Boot.h"

__attribute__((section(".data.ro_after_init"))) struct apus_sealed_state apus_sealed = {0};
struct apus_live_state apus_live __attribute__((aligned(64)));
struct apus_epitaph apus_epitaph;

__attribute__((section(".data.ro_after_init"), visibility("default"))) uint64_t apus_ticks_per_microsecond = 1;
void apus_set_ticks_per_microsecond(uint64_t ticks) { apus_ticks_per_microsecond = ticks; }

// Not 0 while the heap's reserve is drawn on: nothing new is started (AsyncEntry, Entry.h).
__attribute__((visibility("default"))) uint32_t apus_memory_low;

// The owner lines of 128 CPUs and the flush generation (AtomicCell.swift, OwnerTable).
static uint64_t owner_lines[129 * 8] __attribute__((aligned(64)));
void *apus_owner_lines_address(void) { return owner_lines; }

// Where the instruction counter of ci/plugin looks: everything asked for has been done.
__attribute__((noinline)) void apus_idle_mark(void) { __asm__ volatile("" ::: "memory"); }

__attribute__((weak)) void apus_print_trace(void) {}
