// madt.h: the self-test guests' look into the MADT that the monitor placed.
#pragma once
#include <stdint.h>

// The APIC identifier of a processor in the MADT: local x2APIC or local APIC entries in the order of the indices.
static uint64_t madt_id(unsigned index) {
  const uint8_t *madt = (const uint8_t *)0x8003000;
  uint32_t size = *(const uint32_t *)(madt + 4), place = 44;
  while (place + 8 <= size && madt[place + 1] >= 8) {
    uint8_t type = madt[place];
    if ((type == 0 || type == 9) && index-- == 0)
      return type == 9 ? *(const uint32_t *)(madt + place + 4) : madt[place + 3];
    place += madt[place + 1];
  }
  return ~0ull;
}
