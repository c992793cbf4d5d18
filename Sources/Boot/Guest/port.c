// port.c: the test guest's instructions, its exception table, and the C functions that Swift's objects call.
#include <stddef.h>
#include <stdint.h>
#include "GuestPort.h"

#define GHCB_MSR 0xC0010130u
#define PUBLIC __attribute__((visibility("default")))

uint64_t guest_interrupt_count;

static void write_msr(uint32_t number, uint64_t value) {
  __asm__ volatile("wrmsr" : : "c"(number), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static uint64_t read_msr(uint32_t number) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number) : "memory");
  return (uint64_t)high << 32 | low;
}

uint64_t guest_ghcb_msr(uint64_t value) {
  write_msr(GHCB_MSR, value);
  __asm__ volatile("rep; vmmcall" : : : "memory");
  return read_msr(GHCB_MSR);
}

uint64_t guest_load(uint64_t address) { return *(volatile uint64_t *)address; }
void guest_store(uint64_t address, uint64_t value) { *(volatile uint64_t *)address = value; }
uint8_t guest_load_byte(uint64_t address) { return *(volatile uint8_t *)address; }
void guest_store_byte(uint64_t address, uint8_t value) { *(volatile uint8_t *)address = value; }
void guest_pause(void) { __builtin_ia32_pause(); }
uint64_t guest_cycles(void) { return __builtin_ia32_rdtsc(); }

void guest_clear(uint64_t page) {
  uint64_t count = 512;
  __asm__ volatile("rep stosq" : "+D"(page), "+c"(count) : "a"(0ull) : "memory");
}

uint64_t guest_exchange(uint64_t address, uint64_t value) {
  return __atomic_exchange_n((uint64_t *)address, value, __ATOMIC_SEQ_CST);
}

uint64_t guest_add(uint64_t address, uint64_t value) {
  return __atomic_fetch_add((uint64_t *)address, value, __ATOMIC_SEQ_CST);
}

static uint8_t take_pending(uint64_t area) {
  return __atomic_exchange_n((uint8_t *)area, 0, __ATOMIC_SEQ_CST);
}

// GHCB offsets: reference snp-svsm.md B.5.
static void set_field(uint64_t shared, unsigned offset, uint64_t value) {
  guest_store(shared + offset, value);
  uint64_t word = shared + 0x3F0 + offset / 512 * 8;
  guest_store(word, guest_load(word) | 1ull << (offset / 8 % 64));
}

static void begin_event(uint64_t shared, uint64_t code, uint64_t info1, uint64_t info2) {
  guest_store(shared + 0x3F0, 0);
  guest_store(shared + 0x3F8, 0);
  *(volatile uint16_t *)(shared + 0xFFA) = 2;
  *(volatile uint32_t *)(shared + 0xFFC) = 0;
  set_field(shared, 0x390, code);
  set_field(shared, 0x398, info1);
  set_field(shared, 0x3A0, info2);
}

struct guest_answer guest_snp_call(uint64_t area, uint64_t after, uint64_t pending, uint64_t ghcb, uint64_t shared,
                                   uint64_t rax, uint64_t rcx, uint64_t rdx, uint64_t r8, uint64_t r9) {
  struct guest_answer answer;
  register uint64_t in8 __asm__("r8") = r8;
  register uint64_t in9 __asm__("r9") = r9;
  if (ghcb == 0) {
    write_msr(GHCB_MSR, 0x016);
  } else {
    begin_event(shared, 0x80000018, 0, 0);
    write_msr(GHCB_MSR, ghcb);
  }
  guest_store_byte(area, (uint8_t)pending);
  in8 = r8;
  in9 = r9;
  // The names are marks for who counts what lies between.
  __asm__ volatile("guest_snp_leaves: rep; vmmcall; guest_snp_returns:"
                   : "+a"(rax), "+c"(rcx), "+d"(rdx), "+r"(in8), "+r"(in9)
                   :
                   : "memory");
  answer.r8 = in8;
  answer.r9 = in9;
  answer.rax = rax;
  answer.rcx = rcx;
  answer.rdx = rdx;
  answer.pending = take_pending(after);
  // 0x017 with nothing above, or INFO1 0: the same answer for both routes.
  answer.transport = ghcb == 0 ? read_msr(GHCB_MSR) : (guest_load(shared + 0x398) & 0xFFFFFFFF) ? ~0ull : 0x017;
  return answer;
}

struct guest_answer guest_td_call(uint64_t area, uint64_t after, uint64_t pending, uint64_t rax, uint64_t rcx, uint64_t rdx,
                                  uint64_t r8, uint64_t r9) {
  struct guest_answer answer;
  register uint64_t r10 __asm__("r10") = 0x4D535653;
  register uint64_t r11 __asm__("r11") = rax;
  register uint64_t r12 __asm__("r12") = rcx;
  register uint64_t r13 __asm__("r13") = rdx;
  register uint64_t r14 __asm__("r14") = r8;
  register uint64_t r15 __asm__("r15") = r9;
  uint64_t status = 0, mask = 0xFC00;
  guest_store_byte(area, (uint8_t)pending);
  __asm__ volatile("guest_td_leaves: .byte 0x66, 0x0F, 0x01, 0xCC; guest_td_returns:"
                   : "+a"(status), "+c"(mask), "+r"(r10), "+r"(r11), "+r"(r12), "+r"(r13), "+r"(r14), "+r"(r15)
                   :
                   : "memory");
  answer.rax = r10;
  answer.rcx = r12;
  answer.rdx = r13;
  answer.r8 = r14;
  answer.r9 = r15;
  answer.pending = take_pending(after);
  answer.transport = status == 0 ? 0x017 : status;
  return answer;
}

uint64_t guest_snp_event(uint64_t ghcb, uint64_t shared, uint64_t code, uint64_t info1, uint64_t info2, uint64_t rax) {
  begin_event(shared, code, info1, info2);
  set_field(shared, 0x1F8, rax);
  write_msr(GHCB_MSR, ghcb);
  __asm__ volatile("rep; vmmcall" : : : "memory");
  return guest_load(shared + 0x398) & 0xFFFFFFFF;
}

uint64_t guest_snp_wrmsr(uint64_t ghcb, uint64_t shared, uint32_t number, uint64_t value) {
  begin_event(shared, 0x7C, 1, 0);
  set_field(shared, 0x308, number);
  set_field(shared, 0x1F8, (uint32_t)value);
  set_field(shared, 0x310, value >> 32);
  write_msr(GHCB_MSR, ghcb);
  __asm__ volatile("rep; vmmcall" : : : "memory");
  return guest_load(shared + 0x398) & 0xFFFFFFFF;
}

uint64_t guest_interrupts(void) { return *(volatile uint64_t *)&guest_interrupt_count; }

// NOP, as QEMU 7.2 does not end STI's shadow with a PAUSE.
void guest_open_window(void) {
  __asm__ volatile("sti; nop" : : : "memory");
  for (unsigned turn = 0; turn < 64; turn++) __asm__ volatile("pause" : : : "memory");
  __asm__ volatile("cli" : : : "memory");
}

uint64_t guest_rmpadjust(uint64_t address, uint64_t rdx) {
  uint64_t rax = address;
  __asm__ volatile(".byte 0xF3, 0x0F, 0x01, 0xFE" : "+a"(rax) : "c"(0ull), "d"(rdx) : "memory", "cc");
  return (uint32_t)rax;
}

void guest_out(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

void guest_halt(void) {
  for (;;) __asm__ volatile("cli; hlt");
}

extern uint8_t guest_image[], guest_stubs[], guest_stacks_end[], guest_tables[];
extern uint64_t guest_alias[512];
uint64_t guest_fault_vector, guest_fault_error;
extern uint8_t guest_interrupt[];
static uint64_t gates[2 * 256];

uint64_t guest_probe_vector(void) { return *(volatile uint64_t *)&guest_fault_vector; }
uint64_t guest_probe_error(void) { return *(volatile uint64_t *)&guest_fault_error; }

static void set_gate(unsigned vector, uint64_t target) {
  gates[2 * vector] = (target & 0xFFFF) | 0x08ull << 16 | 0x8E00ull << 32 | (target >> 16 & 0xFFFF) << 48;
  gates[2 * vector + 1] = target >> 32;
}

void guest_load_idt(void) {
  for (unsigned vector = 0; vector < 32; vector++) set_gate(vector, (uint64_t)(uintptr_t)guest_stubs + 16 * vector);
  set_gate(GUEST_VECTOR, (uint64_t)(uintptr_t)guest_interrupt);
  guest_fill_gates(gates);
  struct __attribute__((packed)) {
    uint16_t limit;
    uint64_t base;
  } pointer = {sizeof gates - 1, (uint64_t)(uintptr_t)gates};
  __asm__ volatile("lidt %0" : : "m"(pointer) : "memory");
}

void guest_open_alias(uint64_t mask) {
  for (unsigned index = 0; index < 512; index++) guest_alias[index] &= ~mask;
  uint64_t root;
  __asm__ volatile("movq %%cr3, %0; movq %0, %%cr3" : "=r"(root) : : "memory");
}

uint64_t guest_root(void) {
  uint64_t root;
  __asm__ volatile("movq %%cr3, %0" : "=r"(root));
  return root;
}

uint64_t guest_entry_address(void) { return (uint64_t)(uintptr_t)guest_image; }
uint64_t guest_stack_top(uint64_t index) { return (uint64_t)(uintptr_t)guest_stacks_end - 8192 * (63 - (index & 63)); }
uint64_t guest_header(uint64_t offset) { return guest_load((uint64_t)(uintptr_t)guest_image + (offset & 0x3F8)); }

// What Swift's objects call.

static uint8_t arena[16384] __attribute__((aligned(64)));
static size_t arena_used;

PUBLIC int posix_memalign(void **result, size_t alignment, size_t bytes) {
  size_t start = (arena_used + alignment - 1) & ~(alignment - 1);
  if (start > sizeof arena || bytes > sizeof arena - start) return 12;
  arena_used = start + bytes;
  *result = arena + start;
  return 0;
}
PUBLIC void free(void *address) { (void)address; }
PUBLIC int putchar(int character) { return character; }
PUBLIC void arc4random_buf(void *buffer, size_t bytes) { (void)buffer; (void)bytes; }

PUBLIC void *memset(void *target, int value, size_t bytes) {
  void *next = target;
  __asm__ volatile("rep stosb" : "+D"(next), "+c"(bytes) : "a"(value) : "memory");
  return target;
}
PUBLIC void *memcpy(void *target, const void *source, size_t bytes) {
  void *next = target;
  __asm__ volatile("rep movsb" : "+D"(next), "+S"(source), "+c"(bytes) : : "memory");
  return target;
}
PUBLIC void *memmove(void *target, const void *source, size_t bytes) {
  if ((uintptr_t)target - (uintptr_t)source >= bytes) return memcpy(target, source, bytes);
  uint8_t *to = (uint8_t *)target + bytes - 1;
  const uint8_t *from = (const uint8_t *)source + bytes - 1;
  __asm__ volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
  return target;
}
PUBLIC int memcmp(const void *left, const void *right, size_t bytes) {
  const volatile uint8_t *a = left, *b = right;
  for (size_t index = 0; index < bytes; index++)
    if (a[index] != b[index]) return a[index] < b[index] ? -1 : 1;
  return 0;
}
