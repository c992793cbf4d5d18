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
static inline void apus_out32(uint16_t port, uint32_t value) {
  __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port) : "memory");
}
static inline void apus_pause(void) { __asm__ volatile("pause" ::: "memory"); }
static inline void apus_disable_interrupts(void) { __asm__ volatile("cli" ::: "memory"); }
static inline void apus_enable_interrupts(void) { __asm__ volatile("sti" ::: "memory"); }
/// Waits for an interrupt without a window: STI takes effect after the next instruction (SDM vol. 2, STI).
static inline void apus_enable_interrupts_and_halt(void) { __asm__ volatile("sti; hlt" ::: "memory"); }
static inline void apus_halt(void) { __asm__ volatile("hlt" ::: "memory"); }
