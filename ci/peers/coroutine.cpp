// coroutine: C++20 coroutines with symmetric transfer over a first-in first-out list, as g++ compiles them.
#include <coroutine>
#include <cstring>
#include "peer.h"

namespace {
constexpr uint64_t turns = 1000000;

struct Task {
  struct promise_type {
    promise_type *next = nullptr;
    Task get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    // The end of a task goes on with the next ready one, as every suspension does.
    struct Final {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> own) noexcept;
      void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { abort(); }
  };
  std::coroutine_handle<promise_type> handle;
};
using Node = Task::promise_type;

Node *first, *last, *current;
uint64_t ended;

void ready(Node *node) {
  node->next = nullptr;
  if (last) last->next = node; else first = node;
  last = node;
}
std::coroutine_handle<> take() {
  Node *node = first;
  current = node;
  if (!node) return std::noop_coroutine();
  if (!(first = node->next)) last = nullptr;
  return std::coroutine_handle<Node>::from_promise(*node);
}
std::coroutine_handle<> Node::Final::await_suspend(std::coroutine_handle<Node> own) noexcept {
  ended++;
  own.destroy();
  return take();
}
struct Suspend {
  bool await_ready() { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<>) { return take(); }
  void await_resume() {}
};
Node *spawn(Task task) {
  ready(&task.handle.promise());
  return &task.handle.promise();
}
void run() {
  while (first) take().resume();
}

Node *partners[2];
Task partner(int number) {
  for (uint64_t turn = 0; turn < turns / 2; turn++) {
    ready(partners[1 - number]);
    co_await Suspend();
  }
  if (number == 0) ready(partners[1]);
}
void wake_to_run() {
  ended = 0;
  partners[0] = spawn(partner(0));
  partners[1] = spawn(partner(1));
  // Only the first runs: it wakes the other.
  first = last = partners[0];
  first->next = nullptr;
  run();
  check(ended == 2, "a wake was lost");
}

uint64_t yielders;
Task yielder() {
  for (uint64_t turn = 0; turn < turns / yielders; turn++) {
    ready(current);
    co_await Suspend();
  }
}
void yields() {
  ended = 0;
  for (uint64_t i = 0; i < yielders; i++) spawn(yielder());
  run();
  check(ended == yielders, "a yield was lost");
}

Task nothing() { co_return; }
void spawns() {
  ended = 0;
  for (uint64_t round = 0; round < turns / 100; round++) {
    for (int i = 0; i < 100; i++) spawn(nothing());
    run();
  }
  check(ended == turns, "a task did not run");
}

struct Ring {
  uint64_t slots[16], head, tail;
  Node *receiver;
} there, back;
void send(Ring &ring, uint64_t word) {
  ring.slots[ring.tail++ & 15] = word;
  if (ring.receiver) {
    ready(ring.receiver);
    ring.receiver = nullptr;
  }
}
// The wait stands in the caller's own frame, which favours it.
#define RECEIVE(ring) \
  while (ring.head == ring.tail) { ring.receiver = current; co_await Suspend(); } \
  word = ring.slots[ring.head++ & 15]
Task echo() {
  uint64_t word;
  for (uint64_t turn = 0; turn < turns / 10; turn++) {
    RECEIVE(there);
    send(back, word);
  }
}
Task caller() {
  uint64_t word, sum = 0;
  for (uint64_t turn = 0; turn < turns / 10; turn++) {
    send(there, turn);
    RECEIVE(back);
    sum += word;
  }
  check(sum == turns / 10 * (turns / 10 - 1) / 2, "a message changed");
}
void round_trips() {
  ended = 0;
  memset(&there, 0, sizeof there);
  memset(&back, 0, sizeof back);
  spawn(echo());
  spawn(caller());
  run();
  check(ended == 2, "a message was lost");
}
}  // namespace

int main() {
  pin(0);
  const char *name = "C++20 coroutines (g++)";
  measure(name, "wake to run", turns, wake_to_run);
  yielders = 1;
  measure(name, "yield (1)", turns, yields);
  yielders = 1000;
  measure(name, "yield (1000)", turns, yields);
  measure(name, "spawn, run, end", turns, spawns);
  measure(name, "channel round trip", turns / 10, round_trips);
}
