// td: what the test guest does as an L2 under TD partitioning: instructions that leave it, interrupts, TDCALL.
#include "GuestPort.h"

enum { FirstVector = 0x40, VectorCount = 4 };
extern uint8_t guest_td_stubs[];
// One count for each of VectorCount vectors and vCPU, written by the handlers.
uint64_t guest_td_counts[64 * VectorCount];

struct guest_words guest_cpuid(uint32_t leaf, uint32_t subleaf) {
  struct guest_words words;
  __asm__ volatile("cpuid" : "=a"(words.a), "=b"(words.b), "=c"(words.c), "=d"(words.d) : "a"(leaf), "c"(subleaf));
  return words;
}

uint8_t guest_in(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

uint64_t guest_read_tsc(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}

struct guest_leaf guest_td_leaf(uint64_t rax) {
  struct guest_leaf answer;
  register uint64_t in8 __asm__("r8") = 0;
  register uint64_t in9 __asm__("r9") = 0;
  __asm__ volatile(".byte 0x66, 0x0F, 0x01, 0xCC"
                   : "+a"(rax), "+r"(in8), "+r"(in9)
                   :
                   : "rcx", "rdx", "r10", "r11", "memory");
  answer.status = rax;
  answer.r8 = in8;
  answer.r9 = in9;
  return answer;
}

uint64_t guest_td_interrupts(uint64_t index, uint64_t vector) {
  return *(volatile uint64_t *)&guest_td_counts[(index & 63) * VectorCount + (vector - FirstVector) % VectorCount];
}

void guest_rest(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }

void guest_fill_gates(uint64_t *gates) {
  for (unsigned i = 0; i < VectorCount; i++) {
    uint64_t target = (uint64_t)(uintptr_t)guest_td_stubs + 64 * i;
    uint64_t *gate = gates + 2 * (FirstVector + i);
    gate[0] = (target & 0xFFFF) | 0x08ull << 16 | 0x8E00ull << 32 | (target >> 16 & 0xFFFF) << 48;
    gate[1] = target >> 32;
  }
}

extern void guest_td_vectors(uint64_t seed, uint64_t *before, uint64_t *after);

uint64_t guest_td_keeps_vectors(uint64_t seed) {
  uint64_t before[32], after[32], different = 0;
  guest_td_vectors(seed, before, after);
  for (unsigned i = 0; i < 32; i++) different |= before[i] ^ after[i];
  return different == 0;
}

uint64_t guest_td_keeps_debug(uint64_t seed) {
  uint64_t found[6];
  uint64_t status = 0xFFFF0FF0 | (seed & 15);
  __asm__ volatile("movq %0, %%cr2; movq %1, %%dr0; movq %2, %%dr1; movq %3, %%dr2; movq %4, %%dr3; movq %5, %%dr6"
                   :
                   : "r"(seed), "r"(seed + 1), "r"(seed + 2), "r"(seed + 3), "r"(seed + 4), "r"(status));
  guest_cpuid(0x40000000, 0);
  guest_td_leaf(1);
  guest_in(0x3FD);
  __asm__ volatile("movq %%cr2, %0; movq %%dr0, %1; movq %%dr1, %2; movq %%dr2, %3; movq %%dr3, %4; movq %%dr6, %5"
                   : "=&r"(found[0]), "=&r"(found[1]), "=&r"(found[2]), "=&r"(found[3]), "=&r"(found[4]),
                     "=&r"(found[5]));
  uint64_t different = found[5] ^ status;
  for (unsigned i = 0; i < 5; i++) different |= found[i] ^ (seed + i);
  return different == 0;
}

void guest_open_xsave(void) {
  uint64_t value;
  __asm__ volatile("movq %%cr4, %0; orq $0x40000, %0; movq %0, %%cr4" : "=r"(value) : : "memory");
}

uint64_t guest_xgetbv(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}
