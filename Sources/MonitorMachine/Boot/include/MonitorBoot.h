// MonitorBoot.h: what the monitor's C and assembly offer to the Swift room MonitorMachine.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "MonitorLayout.h"

#define MON_INLINE static inline __attribute__((always_inline))

void mon_vmrun(uint64_t registers, uint64_t vmcb);

// Tables, CPUs, memory (support.c).
void mon_fill_idt(void);
void mon_copy_trampoline(void);
void mon_heap_use(uint64_t start, uint64_t end);
void mon_heap_extend(uint64_t end);
uint64_t mon_heap_page(void);
uint64_t mon_heap_used(void);
void mon_lock(void);
void mon_unlock(void);
uint32_t mon_online_count(void);
void mon_online_increment(void);
uint64_t mon_start_info_address(void);
uint64_t mon_first_cycles(void);
uint64_t mon_image_end_address(void);
void mon_read_configured(uint16_t selector, uint64_t to, uint32_t count);

MON_INLINE void mon_out8(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port) : "memory");
}
MON_INLINE void mon_out16(uint16_t port, uint16_t value) {
  __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port) : "memory");
}
MON_INLINE void mon_out32(uint16_t port, uint32_t value) {
  __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port) : "memory");
}
MON_INLINE uint8_t mon_in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
  return value;
}
MON_INLINE uint16_t mon_in16(uint16_t port) {
  uint16_t value;
  __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
  return value;
}
MON_INLINE uint32_t mon_in32(uint16_t port) {
  uint32_t value;
  __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
  return value;
}
MON_INLINE uint64_t mon_read_msr(uint32_t number) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number) : "memory");
  return (uint64_t)high << 32 | low;
}
MON_INLINE void mon_write_msr(uint32_t number, uint64_t value) {
  __asm__ volatile("wrmsr" ::"c"(number), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
struct mon_cpuid {
  uint32_t eax, ebx, ecx, edx;
};
MON_INLINE struct mon_cpuid mon_read_cpuid(uint32_t leaf, uint32_t subleaf) {
  struct mon_cpuid r;
  __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
  return r;
}
MON_INLINE uint64_t mon_cycles(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
  return (uint64_t)high << 32 | low;
}
/// CR4.LA57: nested tables have as many levels as the host's (APM 2, 15.25.5).
MON_INLINE _Bool mon_has_five_levels(void) {
  uint64_t cr4;
  __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
  return cr4 >> 12 & 1;
}
/// CR4.OSFXSR, so that FXSAVE takes SSE state too; the monitor itself uses neither.
MON_INLINE void mon_enable_vectors(void) {
  uint64_t cr4;
  __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
  __asm__ volatile("mov %0, %%cr4" ::"r"(cr4 | 1 << 9) : "memory");
}
/// Routines of their own, so that lint finds vector registers under these names only.
static __attribute__((noinline, used)) void mon_save_vectors(uint64_t area) { __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory"); }
static __attribute__((noinline, used)) void mon_restore_vectors(uint64_t area) { __asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory"); }
MON_INLINE void mon_pause(void) { __asm__ volatile("pause" ::: "memory"); }
/// STI takes effect after the next instruction, so an interrupt that was held ends the halt (SDM 2B, STI).
MON_INLINE void mon_halt(void) { __asm__ volatile("sti; hlt; cli" ::: "memory"); }
MON_INLINE void mon_stop(void) { __asm__ volatile("cli; hlt" ::: "memory"); }
/// Lets the interrupts in that were held, and holds them again.
MON_INLINE void mon_take_interrupts(void) { __asm__ volatile("sti; nop; nop; cli" ::: "memory"); }

MON_INLINE uint64_t mon_load64(uint64_t address) { return *(volatile uint64_t *)address; }
MON_INLINE void mon_store64(uint64_t address, uint64_t value) { *(volatile uint64_t *)address = value; }
MON_INLINE void mon_fence(void) { __asm__ volatile("mfence" ::: "memory"); }
MON_INLINE uint32_t mon_load32(uint64_t address) { return *(volatile uint32_t *)address; }
MON_INLINE void mon_store32(uint64_t address, uint32_t value) { *(volatile uint32_t *)address = value; }
MON_INLINE uint8_t mon_load8(uint64_t address) { return *(volatile uint8_t *)address; }
MON_INLINE void mon_zero_page(uint64_t address) {
  uint64_t count = 512;
  __asm__ volatile("rep stosq" : "+D"(address), "+c"(count) : "a"(0ull) : "memory");
}
MON_INLINE void mon_copy_page(uint64_t to, uint64_t from) {
  uint64_t count = 512;
  __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count)::"memory");
}
