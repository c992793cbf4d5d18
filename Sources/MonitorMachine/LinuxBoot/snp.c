// snp.c: the linuxboot stub on SNP: PVALIDATE, the GHCB MSR protocol, and the blob by which Linux finds its pages.
#ifndef TDX
#include "linuxboot.h"

const uint64_t private_bit = 1ull << 47;
static struct { uint64_t next; uint32_t type, count, address; } setup_data;
static struct {
  uint32_t magic; uint16_t version, reserved; uint64_t secrets; uint32_t secrets_count, reserved1;
  uint64_t cpuid; uint32_t cpuid_count, reserved2;
} blob;

_Noreturn void terminate(uint32_t reason) {
  for (;;) {
    __asm__ volatile("wrmsr; .byte 0xF3, 0x0F, 0x01, 0xD9"
                     ::"c"(0xC0010130), "a"(0x100 | 14 << 12 | reason << 16), "d"(0) : "memory");
  }
}

/// One exchange of the MSR protocol.
static uint64_t exchange(uint64_t request) {
  uint32_t low, high;
  __asm__ volatile("wrmsr; .byte 0xF3, 0x0F, 0x01, 0xD9; rdmsr"
                   : "=a"(low), "=d"(high) : "c"(0xC0010130), "a"((uint32_t)request), "d"(request >> 32) : "memory");
  return (uint64_t)high << 32 | low;
}

/// PVALIDATE to 1: EAX, and 0x100 if CF is set.
static uint32_t validate(uint64_t address, uint64_t size) {
  uint64_t rax = address;
  uint8_t carry;
  __asm__ volatile(".byte 0xF2, 0x0F, 0x01, 0xFF; setc %1"
                   : "+a"(rax), "=r"(carry) : "c"(size), "d"(1ull) : "memory", "cc");
  return (uint32_t)rax | (carry ? 0x100 : 0);
}

int platform_is_complete(void) { return find(CPUID) && find(SECRETS); }

void platform_accept(uint64_t start, uint64_t end, int is_shared) {
  while (start < end) {
    if (is_shared && !is_filled(start, start + 4096) && exchange(start | 1ull << 52 | 0x14) != 0x15) terminate(8);
    if (!is_shared && !(start & 0x1FFFFF) && end - start >= 0x200000 && !is_filled(start, start + 0x200000)) {
      uint32_t status = validate(start, 1);
      if (!status) { start += 0x200000; continue; }
      if (status != 6) terminate(1);
    }
    if (!is_filled(start, start + 4096) && validate(start, 0)) terminate(2);
    start += 4096;
  }
}

uint32_t platform_counter_rate(void) {
  uint64_t answer = exchange(0x40000010ull << 32 | 4);
  return (uint32_t)answer == 5 ? (uint32_t)(answer >> 32) : 0;
}

/// arch/x86/include/uapi/asm/setup_data.h, type 7.
void platform_parameters(uint8_t *zero_page) {
  blob.magic = 0x45444D41;
  blob.secrets = find(SECRETS)->gpa;
  blob.secrets_count = 4096;
  blob.cpuid = find(CPUID)->gpa;
  blob.cpuid_count = 4096;
  setup_data.type = 7;
  setup_data.count = 4;
  setup_data.address = (uint32_t)(uint64_t)&blob;
  put(zero_page + 0x250, (uint64_t)&setup_data, 8);
}

// Linux starts processors by AP creation.
uint32_t platform_madt(uint8_t *at) { (void)at; return 0; }
void platform_processors(uint64_t root) { (void)root; }
#endif
