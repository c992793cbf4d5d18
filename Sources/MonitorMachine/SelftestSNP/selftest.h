// selftest.h: what the parts of the SNP self-test guest share.
#pragma once
#include <stdint.h>

#define C_BIT (1ull << 47)
#define PAGE __attribute__((aligned(4096)))

extern uint64_t fault_vector, fault_error, fault_rip, fault_cr2, probe_stack;
extern uint64_t other_value, other_count;
extern char vectors[], lower_start[], other_start[];
int probe(void (*code)(void));

static inline uint64_t rdmsr(uint32_t number) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number) : "memory");
  return (uint64_t)high << 32 | low;
}
static inline void wrmsr(uint32_t number, uint64_t value) {
  __asm__ volatile("wrmsr" ::"c"(number), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
static inline void vmgexit(void) { __asm__ volatile(".byte 0xF3, 0x0F, 0x01, 0xD9" ::: "memory"); }

/// The GHCB MSR protocol: what the MSR holds after the exit.
static inline uint64_t msr_call(uint64_t request) {
  wrmsr(0xC0010130, request);
  vmgexit();
  return rdmsr(0xC0010130);
}

/// PVALIDATE: EAX, and 0x100 if CF is set.
static inline uint32_t pvalidate(uint64_t address, uint32_t size, uint32_t validate) {
  uint64_t rax = address;
  uint8_t carry;
  __asm__ volatile(".byte 0xF2, 0x0F, 0x01, 0xFF; setc %1"
                   : "+a"(rax), "=r"(carry) : "c"((uint64_t)size), "d"((uint64_t)validate) : "memory", "cc");
  return (uint32_t)rax | (carry ? 0x100 : 0);
}
static inline uint32_t rmpadjust(uint64_t address, uint64_t size, uint64_t operand) {
  uint64_t rax = address;
  __asm__ volatile(".byte 0xF3, 0x0F, 0x01, 0xFE" : "+a"(rax) : "c"(size), "d"(operand) : "memory", "cc");
  return (uint32_t)rax;
}
static inline uint32_t rmpquery(uint64_t address, uint64_t *operand, uint64_t *size) {
  uint64_t rax = address;
  __asm__ volatile(".byte 0xF3, 0x0F, 0x01, 0xFD" : "+a"(rax), "+d"(*operand), "=c"(*size)::"memory", "cc");
  return (uint32_t)rax;
}
/// INVLPGB of everything, and TLBSYNC.
static inline void flush_everywhere(void) {
  __asm__ volatile(".byte 0x0F, 0x01, 0xFE; .byte 0x0F, 0x01, 0xFF" ::"a"(8ull), "c"(0ull), "d"(0ull) : "memory");
}
