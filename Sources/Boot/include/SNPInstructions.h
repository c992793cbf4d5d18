// SNPInstructions.h: the instructions of an SNP guest, as bytes where assemblers have no name; APM 3.
#pragma once
#include <stdint.h>

struct apus_rmpquery_result {
  uint32_t status;
  uint64_t size, operand;
};
// RMPQUERY: F3 0F 01 FD.
static inline struct apus_rmpquery_result apus_rmpquery(uint64_t address, uint64_t level) {
  struct apus_rmpquery_result result;
  __asm__ volatile(".byte 0xF3, 0x0F, 0x01, 0xFD"
                   : "=a"(result.status), "=c"(result.size), "=d"(result.operand)
                   : "a"(address), "c"(0ul), "d"(level)
                   : "memory", "cc");
  return result;
}
// VMGEXIT: F3 0F 01 D9. The GHCB MSR is written before and read after, in one piece.
static inline uint64_t apus_vmgexit(uint64_t value) {
  uint32_t low = (uint32_t)value, high = (uint32_t)(value >> 32);
  __asm__ volatile("wrmsr; .byte 0xF3, 0x0F, 0x01, 0xD9; rdmsr"
                   : "+a"(low), "+d"(high)
                   : "c"(0xC0010130u)
                   : "memory", "cc");
  return (uint64_t)high << 32 | low;
}
// INVLPGB (0F 01 FE) of all addresses, global ones included (RAX bit 3), for this guest (EDX 0); TLBSYNC (0F 01 FF).
static inline void apus_invalidate_everywhere(void) {
  __asm__ volatile(".byte 0x0F, 0x01, 0xFE; .byte 0x0F, 0x01, 0xFF" ::"a"(8ul), "c"(0u), "d"(0u) : "memory", "cc");
}

// snp_guest.S: a fault in these returns 0xFF, success 0.
uint32_t apus_guest_copy(void *_Nonnull to, const void *_Nonnull from, uint64_t bytes);
uint32_t apus_guest_zero(uint64_t to, uint64_t bytes);
uint32_t apus_guest_load(uint64_t from, uint64_t *_Nonnull to);
uint32_t apus_guest_store8(uint64_t to, uint64_t value);
uint32_t apus_guest_store2(uint64_t to, uint64_t value);
uint32_t apus_guest_store1(uint64_t to, uint64_t value);
// PVALIDATE's EAX with CF in bit 31, RMPADJUST's EAX; 0xFF after a fault.
uint32_t apus_guest_close_gate(uint64_t vmsa);
uint32_t apus_guest_open_gate(uint64_t vmsa);
uint32_t apus_guest_take_call(uint64_t vmsa, uint64_t area, void *_Nonnull words);
uint32_t apus_guest_answer(uint64_t vmsa, uint64_t area, uint64_t rax, uint64_t rcx, uint32_t has_rcx);
uint32_t apus_guest_pvalidate(uint64_t linear, uint32_t size, uint32_t validate);
uint32_t apus_guest_rmpadjust(uint64_t linear, uint64_t size, uint64_t operand);
uint64_t apus_snp_run(uint32_t *_Nonnull word, uint32_t mask, uint32_t level);
extern char apus_guest_start[], apus_guest_end[], apus_guest_fault[], apus_snp_run_window[], apus_snp_run_end[];
static inline uint64_t apus_guest_start_address(void) { return (uint64_t)apus_guest_start; }
static inline uint64_t apus_guest_end_address(void) { return (uint64_t)apus_guest_end; }
static inline uint64_t apus_guest_fault_address(void) { return (uint64_t)apus_guest_fault; }
static inline uint64_t apus_snp_run_window_address(void) { return (uint64_t)apus_snp_run_window; }
static inline uint64_t apus_snp_run_end_address(void) { return (uint64_t)apus_snp_run_end; }

void apus_snp_halt(uint32_t *_Nonnull word, uint32_t mask);
extern char apus_snp_halt_end[];
static inline uint64_t apus_snp_halt_address(void) { return (uint64_t)apus_snp_halt; }
static inline uint64_t apus_snp_halt_end_address(void) { return (uint64_t)apus_snp_halt_end; }
