// Conformance: language features whose behaviour must be the same on the toolchain's runtime and on ours.
import _Concurrency

/// Where events go, by logical task, so that traces do not depend on the order between tasks.
public protocol Recorder: AnyObject, Sendable {
  /// Keeps one event of a logical task.
  func record(_ task: Int, _ event: Int)
}

enum Failure: Error { case odd, big }

actor Account {
  private(set) var balance = 0
  func add(_ amount: Int) -> Int {
    balance += amount
    return balance
  }
  func slowly(_ amount: Int) async -> Int {
    let before = balance
    await Task.yield()
    balance += amount
    return before
  }
}

func read(_ account: isolated Account) async -> Int {
  await Task.yield()
  return account.balance
}

protocol Source { func value(_ seed: Int) async -> Int }
struct Doubler: Source {
  func value(_ seed: Int) async -> Int {
    await Task.yield()
    return seed * 2
  }
}
struct Negator: Source { func value(_ seed: Int) async -> Int { -seed } }
func ask<S: Source>(_ source: S, _ seed: Int) async -> Int { await source.value(seed) }

func checked(_ value: Int) async throws(Failure) -> Int {
  await Task.yield()
  if value % 2 != 0 { throw .odd }
  if value > 100 { throw .big }
  return value
}

/// 1 if the caller is isolated to an actor.
func isolated(_ actor: isolated (any Actor)? = #isolation) async -> Int {
  await Task.yield()
  return actor == nil ? 0 : 1
}

extension Account {
  func isolation() async -> Int { await isolated() }
}

struct Ticket: ~Copyable {
  let number: Int
  let recorder: any Recorder
  init(_ number: Int, _ recorder: any Recorder) {
    self.number = number
    self.recorder = recorder
  }
  deinit { recorder.record(5, -number) }
}
func use(_ ticket: consuming Ticket) async -> Int {
  await Task.yield()
  return ticket.number
}

func deep(_ depth: Int) async -> Int {
  if depth == 0 {
    await Task.yield()
    return 0
  }
  // A frame that grows, so that frame memory is chained.
  let left = await deep(depth - 1)
  return left + 1
}

/// Runs every feature; logical tasks are numbered as they are recorded.
public func conformance(_ recorder: any Recorder) async {
  recorder.record(1, await deep(200))

  let account = Account()
  recorder.record(2, await account.add(5))
  recorder.record(2, await account.slowly(7))
  recorder.record(2, await read(account))

  async let left = ask(Doubler(), 21)
  async let right = ask(Negator(), 4)
  recorder.record(3, await left + right)
  async let _ = account.add(100)

  for value in [4, 3, 102] {
    do throws(Failure) {
      recorder.record(4, try await checked(value))
    } catch {
      recorder.record(4, error == .odd ? -1 : -2)
    }
  }

  recorder.record(5, await use(Ticket(9, recorder)))

  let worker = Task { () -> Int in
    recorder.record(6, 1)
    await Task.yield()
    recorder.record(6, 2)
    return 42
  }
  recorder.record(7, await worker.value)
  recorder.record(7, await worker.value)

  let stubborn = Task { () -> Int in
    var turns = 0
    while !Task.isCancelled {
      turns += 1
      await Task.yield()
    }
    recorder.record(8, Task.isCancelled ? 1 : 0)
    return turns > 0 ? 1 : 0
  }
  await Task.yield()
  stubborn.cancel()
  recorder.record(9, await stubborn.value)
  recorder.record(9, stubborn.isCancelled ? 1 : 0)

  let handled = Task { () -> Int in
    await withTaskCancellationHandler {
      while !Task.isCancelled { await Task.yield() }
      return 3
    } onCancel: {
      recorder.record(10, 77)
    }
  }
  await Task.yield()
  handled.cancel()
  recorder.record(11, await handled.value)

  #if !APUS_ABI_SUBSET
    let sum = await withTaskGroup(of: Int.self, returning: Int.self) { group in
      for number in 1...6 {
        group.addTask {
          for _ in 0..<number { await Task.yield() }
          return number * number
        }
      }
      var sum = 0
      for await value in group { sum += value }
      return sum
    }
    recorder.record(12, sum)

    let stopped = await withTaskGroup(of: Bool.self, returning: Int.self) { group in
      for _ in 0..<4 {
        group.addTask {
          while !Task.isCancelled { await Task.yield() }
          return true
        }
      }
      await Task.yield()
      group.cancelAll()
      var count = 0
      while let value = await group.next() { count += value ? 1 : 0 }
      return count
    }
    recorder.record(13, stopped)
  #endif

  // An async let that is never awaited is cancelled and waited for at the end of its scope.
  do {
    async let _: Int = {
      while !Task.isCancelled { await Task.yield() }
      recorder.record(14, 1)
      return 0
    }()
    recorder.record(15, 1)
  }
  recorder.record(15, 2)

  var results: [Int] = []
  for start in 0..<5 {
    let task = Task { () -> Int in
      var value = start
      for _ in 0..<start { value += await ask(Doubler(), 1) }
      return value
    }
    results.append(await task.value)
  }
  for value in results { recorder.record(16, value) }
  recorder.record(17, await account.balance)
  #if !APUS_ABI_SUBSET
    await others(recorder, account)
  #endif
}

// Results, detached tasks, priorities and #isolation; not in the subset, since `result` of the toolchain's own module does not
// compile for Embedded Swift.
private func others(_ recorder: any Recorder, _ account: Account) async {
  let plain = Task { () -> Int in
    await Task.yield()
    return 7
  }
  switch await plain.result {
  case .success(let value): recorder.record(18, value)
  }
  let detached = Task.detached { () -> Int in
    await Task.yield()
    return 8
  }
  recorder.record(19, await detached.value)
  recorder.record(20, await isolated())
  recorder.record(20, await account.isolation())
  // Nobody more urgent waits for it: on the toolchain's runtime that would raise its priority.
  let urgent = Task(priority: .high) { () -> Int in
    recorder.record(21, Int(Task.currentPriority.rawValue))
    async let child = Int(Task.currentPriority.rawValue)
    let inner = Task { Int(Task.currentPriority.rawValue) }
    recorder.record(22, await child)
    return await inner.value
  }
  recorder.record(23, await urgent.value)
}
