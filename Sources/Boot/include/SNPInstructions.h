// SNPInstructions.h: the instructions of an SNP guest, as bytes where assemblers have no name; APM 3.
#pragma once
#include <stdint.h>

struct apus_pvalidate_result {
  uint32_t status;
  uint32_t carry;
};

// PVALIDATE: F2 0F 01 FF.
static inline struct apus_pvalidate_result apus_pvalidate(uint64_t address, uint32_t size, uint32_t validate) {
  struct apus_pvalidate_result result;
  uint8_t carry;
  __asm__ volatile(".byte 0xF2, 0x0F, 0x01, 0xFF"
                   : "=a"(result.status), "=@ccc"(carry)
                   : "a"(address), "c"(size), "d"(validate)
                   : "memory");
  result.carry = carry;
  return result;
}
// RMPADJUST: F3 0F 01 FE.
static inline uint32_t apus_rmpadjust(uint64_t address, uint64_t size, uint64_t operand) {
  uint32_t status;
  __asm__ volatile(".byte 0xF3, 0x0F, 0x01, 0xFE"
                   : "=a"(status)
                   : "a"(address), "c"(size), "d"(operand)
                   : "memory", "cc");
  return status;
}
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

void apus_snp_halt(uint32_t *_Nonnull word, uint32_t mask);
extern char apus_snp_halt_end[];
static inline uint64_t apus_snp_halt_address(void) { return (uint64_t)apus_snp_halt; }
static inline uint64_t apus_snp_halt_end_address(void) { return (uint64_t)apus_snp_halt_end; }
