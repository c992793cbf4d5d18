// Image.h: where the linker put things, and the state that boot leaves behind.
#pragma once
#include <stdint.h>
#include "CPUBlock.h"

extern char apus_processor_entry[];
extern char apus_boot_section_start[], apus_boot_section_end[];
extern char apus_image_start[], apus_text_end[], apus_rodata_end[], apus_sealed_end[], apus_image_end[];
extern char apus_boot_stack_guard[], apus_boot_stack[], apus_boot_stack_top[];
extern char apus_interrupt_stubs[], apus_trampoline_start[], apus_trampoline_end[];
extern char apus_record_entry[];
extern char apus_trampoline_gdt_base[], apus_trampoline_far32[], apus_trampoline_far64[], apus_trampoline_mailbox[];
extern struct apus_cpu_block apus_boot_cpu_block;
extern uint64_t apus_entry_tsc, apus_start_info;
static inline uint64_t apus_entry_tsc_value(void) { return apus_entry_tsc; }
static inline void apus_note_entry(uint64_t tsc) { apus_entry_tsc = tsc; }
static inline uint64_t apus_start_info_value(void) { return apus_start_info; }

#define APUS_ADDRESS(name) \
  static inline uint64_t name##_address(void) { return (uint64_t)name; }
APUS_ADDRESS(apus_boot_section_start)
APUS_ADDRESS(apus_boot_section_end)
APUS_ADDRESS(apus_image_start)
APUS_ADDRESS(apus_text_end)
APUS_ADDRESS(apus_rodata_end)
APUS_ADDRESS(apus_sealed_end)
APUS_ADDRESS(apus_image_end)
APUS_ADDRESS(apus_boot_stack_guard)
APUS_ADDRESS(apus_boot_stack)
APUS_ADDRESS(apus_boot_stack_top)
APUS_ADDRESS(apus_interrupt_stubs)
APUS_ADDRESS(apus_processor_entry)
APUS_ADDRESS(apus_trampoline_start)
APUS_ADDRESS(apus_trampoline_end)
APUS_ADDRESS(apus_record_entry)
APUS_ADDRESS(apus_trampoline_gdt_base)
APUS_ADDRESS(apus_trampoline_far32)
APUS_ADDRESS(apus_trampoline_far64)
APUS_ADDRESS(apus_trampoline_mailbox)
static inline uint64_t apus_boot_cpu_block_address(void) { return (uint64_t)&apus_boot_cpu_block; }

// The IDT, written during boot and then sealed.
extern uint64_t apus_interrupt_table[512];
static inline uint64_t apus_interrupt_table_address(void) { return (uint64_t)apus_interrupt_table; }

// Written during boot and then sealed.
struct apus_sealed_state {
  uint64_t kernel_root;   // CR3 of every CPU
  uint64_t features;      // CPUFeatures of the boot CPU
  uint32_t apic_mode;     // 0 none, 1 xAPIC, 2 x2APIC
  uint32_t cpu_count;     // CPUs with a block
  uint64_t blocks[128];   // per CPU, the address of its block; 0 for one without
};
extern struct apus_sealed_state apus_sealed;
static inline struct apus_sealed_state *apus_sealed_words(void) { return &apus_sealed; }
static inline uint64_t apus_block_address(uint32_t cpu) { return cpu < 128 ? apus_sealed.blocks[cpu] : 0; }
static inline void apus_set_block_address(uint32_t cpu, uint64_t address) {
  if (cpu < 128) apus_sealed.blocks[cpu] = address;
}

// Not sealed: changes while the kernel runs.
struct apus_live_state {
  uint32_t dying_cpu;          // 0 = nobody, else the index + 1 of the CPU that reports
  uint32_t report_faults;      // faults of that CPU since it reports
  uint64_t nmi_count;
  uint64_t heap_refused;       // allocations refused since boot
};
extern struct apus_live_state apus_live;
static inline struct apus_live_state *apus_live_words(void) { return &apus_live; }

// The registers an exception leaves on the stack, lowest address first.
struct apus_exception_frame {
  uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
  uint64_t vector, error;
  uint64_t rip, cs, rflags, rsp, ss;
};

// The record a dead kernel leaves at a fixed symbol for whoever looks at its memory.
struct apus_epitaph {
  char magic[8];        // "APUSDEAD" once it is complete
  uint32_t version;     // 1
  uint32_t cause;       // CauseOfDeath
  uint32_t cpu;
  uint32_t vector;
  uint64_t error, rip, rsp, rflags, cr2, cr3, task, tsc;
  uint64_t backtrace[16];
  char message[40];
};
_Static_assert(sizeof(struct apus_epitaph) == 256, "256 bytes");
extern struct apus_epitaph apus_epitaph;
static inline struct apus_epitaph *apus_epitaph_record(void) { return &apus_epitaph; }

// The trampoline's mailbox page (trampoline.S has the same numbers).
#define APUS_MAILBOX_CAPACITY 120
struct apus_mailbox_record {
  uint32_t apic_id;
  uint32_t state;       // StartState
  uint64_t block;       // address of the CPU's block
  uint32_t parked;      // 1 once a CPU that may not start has parked
  uint32_t reserved[3];
};
struct apus_mailbox {
  uint32_t count;
  uint32_t trampoline_root;   // CR3 until the CPU is in the kernel's half
  uint64_t reserved[15];
  struct apus_mailbox_record records[APUS_MAILBOX_CAPACITY];
};
_Static_assert(sizeof(struct apus_mailbox) <= 4096, "one page");
_Static_assert(sizeof(struct apus_mailbox_record) == 32, "record");

void apus_set_ticks_per_microsecond(uint64_t ticks);
void apus_idle_mark(void);

// Prints the last trace records of the runtime on the panic console; weak, the default prints nothing.
void apus_print_trace(void);
