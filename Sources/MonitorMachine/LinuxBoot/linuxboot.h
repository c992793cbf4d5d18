// linuxboot.h: what the stub's common part and its platforms share.
#pragma once
#include <stdint.h>

#define PAGE __attribute__((aligned(4096)))

struct area { uint32_t kind, reserved; uint64_t gpa, count; };
enum {
  IMAGE = 1, CPUID = 4, SECRETS = 5, PARAMETERS = 6, MEMORY_MAP = 7, MADT = 8, MAILBOX = 10, KERNEL = 21, INITRD = 22,
  COMMAND_LINE = 23,
};

// Common part (main.c).
const struct area *find(uint32_t kind);
/// Whether the image holds something in the range, which is the guest's already.
int is_filled(uint64_t start, uint64_t end);
void put(uint8_t *at, uint64_t value, int count);
uint64_t get(const uint8_t *at, int count);

// One of snp.c and tdx.c.
/// The bit of a page-table entry that makes a page private; 0 if its absence does.
extern const uint64_t private_bit;
/// Whether the launch information has all that this platform needs.
int platform_is_complete(void);
/// Makes [start, end) the guest's where the image has nothing; `is_shared`: the host still holds it.
void platform_accept(uint64_t start, uint64_t end, int is_shared);
/// CPUID 0x40000010 EAX, the counter's rate in kHz; 0 if Linux finds out by itself.
uint32_t platform_counter_rate(void);
/// What the boot parameters have besides; `zero_page` is struct boot_params.
void platform_parameters(uint8_t *zero_page);
/// Appends entries to the MADT at `at`; their bytes.
uint32_t platform_madt(uint8_t *at);
/// The other processors may wait in the stub from now on; `root` are its page tables.
void platform_processors(uint64_t root);
/// The guest ends itself: set 14 where the platform has sets, and the reason.
_Noreturn void terminate(uint32_t reason);
