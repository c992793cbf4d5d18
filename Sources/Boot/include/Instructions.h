// Instructions.h: the x86 instructions Swift can't express, one inline function each.
#pragma once
#include <stdint.h>

static inline void apus_out8(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port) : "memory");
}
static inline uint8_t apus_in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
  return value;
}
static inline uint64_t apus_read_msr(uint32_t number) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number) : "memory");
  return (uint64_t)high << 32 | low;
}
static inline void apus_write_msr(uint32_t number, uint64_t value) {
  __asm__ volatile("wrmsr" ::"c"(number), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
// XCR0 = `value`; CR4.OSXSAVE is set for it.
static inline void apus_set_extended_control(uint64_t value) {
  uint64_t cr4;
  __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
  __asm__ volatile("movq %0, %%cr4" ::"r"(cr4 | 1 << 18) : "memory");
  __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
  __asm__ volatile("movq %0, %%cr4" ::"r"(cr4) : "memory");
}
struct apus_cpuid {
  uint32_t eax, ebx, ecx, edx;
};
static inline struct apus_cpuid apus_cpuid(uint32_t leaf, uint32_t subleaf) {
  struct apus_cpuid r;
  __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
  return r;
}
static inline uint64_t apus_cycles(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
  return (uint64_t)high << 32 | low;
}
struct apus_seed {
  uint64_t word;
  uint8_t valid;
};
static inline struct apus_seed apus_seed(void) {
  struct apus_seed r;
  __asm__ volatile("rdseed %0; setc %1" : "=r"(r.word), "=qm"(r.valid)::"cc");
  return r;
}
static inline struct apus_seed apus_random(void) {
  struct apus_seed r;
  __asm__ volatile("rdrand %0; setc %1" : "=r"(r.word), "=qm"(r.valid)::"cc");
  return r;
}
static inline uint64_t apus_read_cr2(void) {
  uint64_t value;
  __asm__ volatile("movq %%cr2, %0" : "=r"(value));
  return value;
}
static inline uint64_t apus_read_cr3(void) {
  uint64_t value;
  __asm__ volatile("movq %%cr3, %0" : "=r"(value)::"memory");
  return value;
}
static inline void apus_write_cr3(uint64_t value) { __asm__ volatile("movq %0, %%cr3" ::"r"(value) : "memory"); }
static inline uint64_t apus_read_cr4(void) {
  uint64_t value;
  __asm__ volatile("movq %%cr4, %0" : "=r"(value));
  return value;
}
static inline void apus_write_cr4(uint64_t value) { __asm__ volatile("movq %0, %%cr4" ::"r"(value) : "memory"); }
static inline uint64_t apus_frame_pointer(void) { return (uint64_t)__builtin_frame_address(0); }
static inline void apus_pause(void) { __asm__ volatile("pause" ::: "memory"); }
static inline void apus_full_fence(void) { __asm__ volatile("mfence" ::: "memory"); }
static inline void apus_disable_interrupts(void) { __asm__ volatile("cli" ::: "memory"); }
static inline void apus_enable_interrupts(void) { __asm__ volatile("sti" ::: "memory"); }
/// STI takes effect after the next instruction, so no interrupt falls between the two (SDM 2B, STI).
static inline void apus_enable_interrupts_and_halt(void) { __asm__ volatile("sti; hlt" ::: "memory"); }
static inline void apus_halt(void) { __asm__ volatile("hlt" ::: "memory"); }
static inline void apus_undefined_instruction(void) { __asm__ volatile("ud2" ::: "memory"); }
static inline uint64_t apus_divide(uint64_t value, uint64_t by) {
  uint64_t high = 0;
  __asm__ volatile("divq %2" : "+a"(value), "+d"(high) : "r"(by));
  return value;
}

// Words that other CPUs change or read: each access is one instruction, acquire or release by x86's order.
static inline uint64_t apus_load64(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
static inline void apus_store64(uint64_t *word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
static inline uint32_t apus_load32(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
static inline void apus_store32(uint32_t *word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
static inline uint32_t apus_exchange32(uint32_t *word, uint32_t expected, uint32_t desired) {
  __atomic_compare_exchange_n(word, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return expected;
}
static inline uint64_t apus_increment64(uint64_t *word) { return __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST); }
// Memory that a guest writes at the same time: one access each.
static inline uint8_t apus_window_load8(uint64_t address) { return *(volatile uint8_t *)address; }
static inline uint16_t apus_window_load16(uint64_t address) { return *(volatile uint16_t *)address; }
static inline uint32_t apus_window_load32(uint64_t address) { return *(volatile uint32_t *)address; }
static inline uint64_t apus_window_load64(uint64_t address) { return *(volatile uint64_t *)address; }
static inline void apus_window_store8(uint64_t address, uint8_t value) { *(volatile uint8_t *)address = value; }
static inline void apus_window_store16(uint64_t address, uint16_t value) { *(volatile uint16_t *)address = value; }
static inline void apus_window_store32(uint64_t address, uint32_t value) { *(volatile uint32_t *)address = value; }
static inline void apus_window_store64(uint64_t address, uint64_t value) { *(volatile uint64_t *)address = value; }
static inline uint32_t apus_device_load32(uint64_t address) { return *(volatile uint32_t *)address; }
static inline void apus_device_store32(uint64_t address, uint32_t value) {
  *(volatile uint32_t *)address = value;
}

// Fills every general register, waits until so many interrupts were taken in all, and says whether all came back: 1, else 0.
uint64_t apus_check_registers(uint64_t count);

// Loads the GDT and IDT, reloads every segment register, and loads the task register.
void apus_load_tables(uint64_t gdt, uint16_t gdt_limit, uint64_t idt, uint16_t idt_limit);
static inline void apus_jump(uint64_t address) { ((void (*)(void))address)(); }

// TDCALL with 16 registers in encoding order (tdx.S); the second with STI just before it.
void apus_tdcall(uint64_t *registers);
void apus_tdcall_open(uint64_t *registers);
