// selftest.h: what the parts of the self-test guest share.
#pragma once
#include <stdint.h>

struct registers {
  uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
};
void tdcall(struct registers *);
int probe(void (*code)(void));
void hlt_open(void);
extern uint64_t fault_vector, fault_error, fault_rip, fault_cr2, load_address;
extern volatile uint64_t interrupt_count;

// TDVMCALL with R10 to R15; answers R10, and R11 through `r`.
uint64_t vmcall(struct registers *r, uint64_t function, uint64_t r12, uint64_t r13, uint64_t r14, uint64_t r15);
void check(const char *name, int holds);
void check_equal(const char *name, uint64_t got, uint64_t wanted);
uint64_t leaf(uint64_t rax, uint64_t rcx, uint64_t rdx, uint64_t r8, uint64_t r9);
extern struct registers last;  // what the last `leaf` left

// A call of a leaf and the status that it must answer.
struct leaf_case {
  const char *name;
  uint64_t rax, rcx, rdx, r8, r9, expected;
};
void check_leaves(const struct leaf_case *cases, unsigned count);

#define SHARED (1ull << 47)
// The shared half of the first GiB is mapped from this linear address on.
#define SHARED_WINDOW 0x40000000ull
#define OPERAND(n) (0xC000010000000000ull | (n))

void load_idt(void);
uint64_t root_address(void);
void test_dispatch(void);
void test_instructions(void);
void test_memory(void);
void test_metadata(void);
void test_attributes(void);
void test_processors(unsigned count);
void test_l2(unsigned count);
extern volatile uint64_t interrupt_wish, l2_ticks;  // a processor interrupts the first once both are not 0
void text(const char *words);
void decimal(uint64_t value);
void bench(void);
void l2_set_up(void);
uint64_t l2_go(void (*code)(void));
extern volatile uint64_t apic_ids[64];  // by index
