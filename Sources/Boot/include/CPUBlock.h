// CPUBlock.h: the per-CPU block at GS base: the first 256 bytes are the runtime's, the rest the machine's.
#pragma once

#define APUS_CPU_INDEX 24
#define APUS_CPU_STACK_TOP 256
#define APUS_CPU_INTERRUPT_COUNT 272
#define APUS_CPU_ROOT 288
#define APUS_CPU_PLATFORM 320
#define APUS_CPU_GDT 384
#define APUS_CPU_TSS 448
#define APUS_CPU_STOCK 552

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

struct apus_cpu_block {
  // Declared by the runtime (AsyncEntry, PerCPU.h); the machine sets `self` and `index`.
  uint64_t self;
  uint64_t task;
  uint64_t executor;
  uint32_t index;
  uint32_t flags;
  uint64_t runtime_reserved[28];

  // The machine's.
  uint64_t stack_top;        // first address above the stack that tasks run on
  uint64_t stack_bottom;     // its lowest address
  uint64_t interrupt_count;  // interrupts taken, timer and kicks included
  uint32_t apic_id;
  uint32_t reserved0;
  uint64_t kernel_root;      // CR3
  uint64_t interrupt_stamp;  // the counter at the last interrupt, in images that measure
  uint64_t reserved1[2];

  uint64_t platform[8];      // the platform driver's own words

  uint64_t gdt[8];
  uint8_t tss[104];
  uint64_t heap_stock[13];   // BlockStock (room Concurrency)
};
_Static_assert(offsetof(struct apus_cpu_block, index) == APUS_CPU_INDEX, "index");
_Static_assert(offsetof(struct apus_cpu_block, stack_top) == APUS_CPU_STACK_TOP, "stack_top");
_Static_assert(offsetof(struct apus_cpu_block, interrupt_count) == APUS_CPU_INTERRUPT_COUNT, "count");
_Static_assert(offsetof(struct apus_cpu_block, kernel_root) == APUS_CPU_ROOT, "root");
_Static_assert(offsetof(struct apus_cpu_block, platform) == APUS_CPU_PLATFORM, "platform");
_Static_assert(offsetof(struct apus_cpu_block, gdt) == APUS_CPU_GDT, "gdt");
_Static_assert(offsetof(struct apus_cpu_block, tss) == APUS_CPU_TSS, "tss");
_Static_assert(offsetof(struct apus_cpu_block, heap_stock) == APUS_CPU_STOCK, "heap_stock");
_Static_assert(sizeof(struct apus_cpu_block) <= 4096, "one page");

// Forced: the heap's fast path calls it.
__attribute__((always_inline)) static inline struct apus_cpu_block *_Nonnull apus_own_block(void) {
  struct apus_cpu_block *block;
  __asm__("movq %%gs:0, %0" : "=r"(block));
  return block;
}
#endif
