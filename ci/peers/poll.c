// poll: an executor of poll functions after embassy's wake path (our imitation, not embassy), with atomics or without.
//
// As there: a task is a static header with a state word and a link; a wake sets a bit, and who sets it first pushes
// the header on a stack; a run takes the whole stack at once, clears each task's bit and polls it. With STD=1 as its port
// for a process has it besides: the push that found the stack empty calls a pender, which is a mutex, a flag and a
// condition, and each run looks at that flag; without, as its spinning port, whose pender does nothing. With ATOMICS=0
// the same code without a locked instruction: the least a cooperative poll loop on one CPU can cost.
#include "peer.h"
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if STD
#define NAME "embassy-style poll executor, std port (imitation)"
#elif ATOMICS
#define NAME "embassy-style poll executor, spin port (imitation)"
#endif
#if ATOMICS
#define FETCH_OR(word, bits) __atomic_fetch_or(word, bits, __ATOMIC_ACQ_REL)
#define FETCH_AND(word, bits) __atomic_fetch_and(word, bits, __ATOMIC_ACQ_REL)
#define TAKE(word) __atomic_exchange_n(word, 0, __ATOMIC_ACQ_REL)
#else
#define NAME "atomics-free poll loop"
static inline uint32_t plain_or(uint32_t *word, uint32_t bits) { uint32_t old = *word; *word |= bits; return old; }
static inline uint32_t plain_and(uint32_t *word, uint32_t bits) { uint32_t old = *word; *word &= bits; return old; }
#define FETCH_OR(word, bits) plain_or(word, bits)
#define FETCH_AND(word, bits) plain_and(word, bits)
#endif

enum { SPAWNED = 1, QUEUED = 2 };
struct task {
  uint32_t state;
  struct task *next;
  void (*poll)(struct task *);
  uint64_t left, step;
  void *object;
};
static struct task *queue;
static uint64_t ended;

#if STD
// A mutex, a flag and a condition as Rust's library makes them on Linux: two locked instructions for each hold of the
// mutex, one and a system call for each notification, whether anybody waits or not.
static uint32_t mutex, notified, signaled;
static inline void hold(void) {
  uint32_t free = 0;
  check(__atomic_compare_exchange_n(&mutex, &free, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED), "one thread, and yet contended");
}
static inline void release(void) { __atomic_exchange_n(&mutex, 0, __ATOMIC_RELEASE); }
static void pend(void) {
  hold();
  signaled = 1;
  __atomic_fetch_add(&notified, 1, __ATOMIC_RELAXED);
  syscall(SYS_futex, &notified, FUTEX_WAKE_PRIVATE, 1);
  release();
}
// Whether there was a signal; the port would wait here for another thread's.
static int take_signal(void) {
  hold();
  uint32_t was = signaled;
  signaled = 0;
  release();
  return was != 0;
}
#else
#define pend() ((void)0)
static inline int take_signal(void) { return queue != 0; }
#endif

static inline void push(struct task *task) {
#if ATOMICS
  struct task *first = __atomic_load_n(&queue, __ATOMIC_RELAXED);
  do task->next = first;
  while (!__atomic_compare_exchange_n(&queue, &first, task, 1, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
  if (!first) pend();
#else
  task->next = queue;
  queue = task;
#endif
}
// Through a pointer that the compiler cannot see through, as a waker's table is.
static void wake_task(struct task *task) {
  if (!(FETCH_OR(&task->state, QUEUED) & QUEUED)) push(task);
}
static void (*volatile waker)(struct task *) = wake_task;

static void run_until_idle(void) {
  while (take_signal()) {
#if ATOMICS
    struct task *task = TAKE(&queue);
#else
    struct task *task = queue;
    queue = 0;
#endif
    while (task) {
      struct task *next = task->next;
      if (FETCH_AND(&task->state, ~(uint32_t)QUEUED) & SPAWNED) task->poll(task);
      task = next;
    }
  }
}
static int spawn(struct task *task, void (*poll)(struct task *)) {
#if ATOMICS
  uint32_t idle = 0;
  if (!__atomic_compare_exchange_n(&task->state, &idle, SPAWNED | QUEUED, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return 0;
#else
  if (task->state) return 0;
  task->state = SPAWNED | QUEUED;
#endif
  task->poll = poll;
  task->step = 0;
  push(task);
  return 1;
}
static void end(struct task *task) {
  FETCH_AND(&task->state, ~(uint32_t)SPAWNED);
  ended++;
}

static struct task tasks[1000];

// Two tasks wake each other: a flag and a waker for each.
static struct { uint32_t set; struct task *waiter; } flags[2];
static void poll_partner(struct task *task) {
  int own = task == &tasks[1];
  while (1) {
    flags[own].waiter = task;
    if (!flags[own].set) return;
    flags[own].set = 0;
    flags[!own].set = 1;
    if (flags[!own].waiter) waker(flags[!own].waiter);
    if (--task->left == 0) return end(task);
  }
}
enum { TURNS = 1000000 };
static void wake_to_run(void) {
  ended = 0;
  memset(flags, 0, sizeof flags);
  for (int i = 0; i < 2; i++) tasks[i].left = TURNS / 2, spawn(&tasks[i], poll_partner);
  run_until_idle();
  flags[0].set = 1;
  waker(&tasks[0]);
  run_until_idle();
  check(ended == 2, "a wake was lost");
}

static void poll_yield(struct task *task) {
  if (task->left-- == 0) return end(task);
  waker(task);
}
static uint64_t yielders;
static void yields(void) {
  ended = 0;
  for (uint64_t i = 0; i < yielders; i++) tasks[i].left = TURNS / yielders, spawn(&tasks[i], poll_yield);
  run_until_idle();
  check(ended == yielders, "a yield was lost");
}

static void poll_once(struct task *task) { end(task); }
static void spawns(void) {
  ended = 0;
  for (int round = 0; round < TURNS / 100; round++) {
    for (int i = 0; i < 100; i++) check(spawn(&tasks[i], poll_once), "a slot was busy");
    run_until_idle();
  }
  check(ended == TURNS, "a task did not run");
}

// A word there and a word back through two rings of sixteen.
static struct ring { uint64_t slots[16], head, tail; struct task *receiver; } there, back;
static void ring_send(struct ring *ring, uint64_t word) {
  ring->slots[ring->tail++ & 15] = word;
  if (ring->receiver) waker(ring->receiver);
}
static int ring_receive(struct ring *ring, struct task *task, uint64_t *word) {
  if (ring->head == ring->tail) { ring->receiver = task; return 0; }
  *word = ring->slots[ring->head++ & 15];
  return 1;
}
static void poll_echo(struct task *task) {
  uint64_t word;
  while (task->left && ring_receive(&there, task, &word)) ring_send(&back, word), task->left--;
  if (!task->left) end(task);
}
static void poll_caller(struct task *task) {
  uint64_t word;
  if (task->step == 0) ring_send(&there, 1), task->step = 1;
  while (ring_receive(&back, task, &word)) {
    if (--task->left == 0) return end(task);
    ring_send(&there, word);
  }
}
static void round_trips(void) {
  ended = 0;
  memset(&there, 0, sizeof there);
  memset(&back, 0, sizeof back);
  tasks[0].left = tasks[1].left = TURNS / 10;
  spawn(&tasks[0], poll_echo);
  spawn(&tasks[1], poll_caller);
  run_until_idle();
  check(ended == 2, "a message was lost");
}

int main(void) {
  pin(0);
  measure(NAME, "wake to run", TURNS, wake_to_run);
  yielders = 1;
  measure(NAME, "yield (1)", TURNS, yields);
  yielders = 1000;
  measure(NAME, "yield (1000)", TURNS, yields);
  measure(NAME, "spawn, run, end", TURNS, spawns);
  measure(NAME, "channel round trip", TURNS / 10, round_trips);
}
