// stackful: coroutines with a stack each and a switch in assembly: what a hand-over costs without async/await.
#include "peer.h"
#include <string.h>

// Saves what a call must preserve and goes on where the other stack stopped. Ends in `pop` and `jmp` through a
// register: a `ret` would be mispredicted every time (runtime.md §2.2, note a).
void switch_to(void **save, void *load);
__asm__(
    ".text\n.globl switch_to\n.p2align 4\nswitch_to:\n"
    "  pushq %rbx\n  pushq %rbp\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbp\n  popq %rbx\n"
    "  popq %rax\n  jmpq *%rax\n");

enum { TURNS = 1000000, STACK = 8192 };
struct task {
  void *stack;
  struct task *next;
  void (*body)(struct task *);
  uint64_t left;
};
static struct task tasks[1000], *first, *last, *current;
static char *stacks;
static void *scheduler;
static uint64_t ended;

static void ready(struct task *task) {
  task->next = 0;
  if (last) last->next = task; else first = task;
  last = task;
}
static struct task *take(void) {
  struct task *task = first;
  if (task && !(first = task->next)) last = 0;
  return task;
}
// Suspends the current task in favour of the next ready one; back to the caller of `run` if there is none.
static void suspend(void) {
  struct task *own = current, *next = take();
  current = next;
  switch_to(&own->stack, next ? next->stack : scheduler);
}
static void begin(void) {
  current->body(current);
  ended++;
  struct task *next = take();
  void *unused;
  current = next;
  switch_to(&unused, next ? next->stack : scheduler);
}
static void spawn(int slot, void (*body)(struct task *)) {
  struct task *task = &tasks[slot];
  void **top = (void **)(stacks + (slot + 1) * STACK) - 1;
  *--top = (void *)begin;
  task->stack = top - 6;
  task->body = body;
  ready(task);
}
static void run(void) {
  struct task *next = take();
  current = next;
  if (next) switch_to(&scheduler, next->stack);
}

static void partner(struct task *own) {
  struct task *other = own == &tasks[0] ? &tasks[1] : &tasks[0];
  for (uint64_t turn = 0; turn < TURNS / 2; turn++) {
    ready(other);
    suspend();
  }
  if (own == &tasks[0]) ready(other);
}
static void wake_to_run(void) {
  ended = 0;
  spawn(0, partner);
  spawn(1, partner);
  take();
  first = &tasks[0], last = &tasks[0], tasks[0].next = 0;
  run();
  check(ended == 2, "a wake was lost");
}

static void yielder(struct task *own) {
  for (uint64_t turn = 0; turn < own->left; turn++) {
    ready(own);
    suspend();
  }
}
static uint64_t yielders;
static void yields(void) {
  ended = 0;
  for (uint64_t i = 0; i < yielders; i++) tasks[i].left = TURNS / yielders, spawn((int)i, yielder);
  run();
  check(ended == yielders, "a yield was lost");
}

static void nothing(struct task *own) { (void)own; }
static void spawns(void) {
  ended = 0;
  for (int round = 0; round < TURNS / 100; round++) {
    for (int i = 0; i < 100; i++) spawn(i, nothing);
    run();
  }
  check(ended == TURNS, "a task did not run");
}

static struct ring { uint64_t slots[16], head, tail; struct task *receiver; } there, back;
static void ring_send(struct ring *ring, uint64_t word) {
  ring->slots[ring->tail++ & 15] = word;
  if (ring->receiver) ready(ring->receiver), ring->receiver = 0;
}
static uint64_t ring_receive(struct ring *ring) {
  while (ring->head == ring->tail) ring->receiver = current, suspend();
  return ring->slots[ring->head++ & 15];
}
static void echo(struct task *own) {
  (void)own;
  for (int turn = 0; turn < TURNS / 10; turn++) ring_send(&back, ring_receive(&there));
}
static void caller(struct task *own) {
  (void)own;
  for (int turn = 0; turn < TURNS / 10; turn++) ring_send(&there, 1), ring_receive(&back);
}
static void round_trips(void) {
  ended = 0;
  memset(&there, 0, sizeof there);
  memset(&back, 0, sizeof back);
  spawn(0, echo);
  spawn(1, caller);
  run();
  check(ended == 2, "a message was lost");
}

int main(void) {
  pin(0);
  stacks = aligned_alloc(4096, sizeof tasks / sizeof *tasks * STACK);
  check(stacks != 0, "no memory");
  memset(stacks, 0, sizeof tasks / sizeof *tasks * STACK);
  const char *name = "stackful assembly switch";
  measure(name, "wake to run", TURNS, wake_to_run);
  yielders = 1;
  measure(name, "yield (1)", TURNS, yields);
  yielders = 1000;
  measure(name, "yield (1000)", TURNS, yields);
  measure(name, "spawn, run, end", TURNS, spawns);
  measure(name, "channel round trip", TURNS / 10, round_trips);
}
