// HostileHostTests: seeds, chances and limits of the hostile host, and how the end of its runs is judged.

import Monitor
import Seams
import Testing

private func host(_ script: HostileScript?, seed: UInt64) -> HostileHost {
  HostileHost(script, seed: seed, cpuCount: 4, now: 1000, limit: 500)
}

@Suite struct HostileHostTests {
  @Test func `an honest host never strikes and has no limit`() {
    var honest = host(nil, seed: 1)
    for script in HostileScript.all {
      let isHit = honest.strikes(script)
      #expect(!isHit)
    }
    #expect(honest.stalled(0, now: 0, ticksPerSecond: 1000) == nil)
    #expect(honest.limit == nil && honest.strikeCount == 0)
  }

  @Test(arguments: HostileScript.all.filter { $0 != .random })
  func `a script strikes at its own chances only, early or late by the seed`(_ script: HostileScript) {
    for seed in UInt64(0)..<32 {
      var one = host(script, seed: seed)
      var count = 0
      for _ in 0..<100_000 where one.strikes(script) { count += 1 }
      // Once in 4 to 512, or 1 to 8, give or take; parameters are lied about once, before the start.
      let isRare: Set = [
        "refuse-page-state", "half-page-state", "lying-cpuid", "drop-interrupts", "throttle-messages",
      ]
      let expected = isRare.contains(script.name) ? 12_000...100_000 : 150...26_000
      #expect(expected.contains(count), "script \(script.name) seed \(seed): \(count)")
      for other in HostileScript.all where other != script {
        for _ in 0..<100 {
          let isHit = one.strikes(other)
          #expect(!isHit)
        }
      }
      let takes: Set = ["remap", "swap", "double-map", "half-page-state"]
      #expect(one.hasTakenMemory == takes.contains(script.name))
      #expect(one.strikeCount == UInt64(count) + (script == .lyingParameters ? 1 : 0))
    }
  }

  @Test func `the random script plays every other one`() {
    for seed in UInt64(0)..<8 {
      var one = host(.random, seed: seed)
      for script in HostileScript.all where script != .random {
        var isHit = false
        for _ in 0..<1_000_000 where !isHit { isHit = one.strikes(script) }
        #expect(isHit, "script \(script.name) seed \(seed)")
      }
    }
  }

  @Test func `equal seeds take equal decisions, different ones do not`() {
    var runs: [[Bool]] = []
    for seed in [UInt64(5), 5, 6] {
      var one = host(.corruptReply, seed: seed)
      runs.append((0..<10_000).map { _ in one.strikes(.corruptReply) })
    }
    #expect(runs[0] == runs[1])
    #expect(runs[0] != runs[2])
  }

  @Test func `only the chosen CPU is stalled, until its time has come`() {
    for seed in UInt64(0)..<16 {
      var one = host(.stallCPU, seed: seed)
      #expect(one.stalledCPU == Int(seed % 4))
      var until: UInt64?
      for _ in 0..<100_000 where until == nil {
        for cpu in 0..<4 where cpu != one.stalledCPU {
          #expect(one.stalled(cpu, now: 10, ticksPerSecond: 1000) == nil)
        }
        until = one.stalled(one.stalledCPU, now: 10, ticksPerSecond: 1000)
      }
      #expect(until == 510 || until == .max, "seed \(seed)")
      #expect(one.stalled(one.stalledCPU, now: 509, ticksPerSecond: 1000) == until)
      #expect(one.stalled(64, now: 10, ticksPerSecond: 1000) == nil)
      #expect(one.stalled(-1, now: 10, ticksPerSecond: 1000) == nil)
    }
  }

  @Test func `the lies of a script are at least one, and an honest host has none`() {
    for seed in UInt64(0)..<40 {
      #expect(!HostileScript.lies(.lyingParameters, seed: seed).isEmpty)
      #expect(HostileScript.lies(nil, seed: seed).isEmpty)
      #expect(HostileScript.lies(.remap, seed: seed).isEmpty)
    }
  }

  @Test func `a canary is found at any byte of a word`() {
    for shift in UInt64(0)..<8 {
      let low = shift == 0 ? Canary.word : Canary.word << (8 * shift) | 0x55
      let high = shift == 0 ? 0x1234 : Canary.word >> (64 - 8 * shift) | 0xAA << (8 * shift)
      #expect(Canary.starts(in: low, high), "shift \(shift)")
      #expect(!Canary.starts(in: low ^ 1 << 60, high), "shift \(shift)")
    }
    #expect(!Canary.starts(in: 0, Canary.word))
  }

  @Test func `under attack a defined end passes, a crash, a breach and a leak do not`() {
    let defined: [RunEnding] = [
      .verdict(.pass), .verdict(.panic), .verdict(.fail), .poweredOff, .terminated, .denied, .stillRunning,
    ]
    for ending in defined {
      #expect(ending.isDefined)
      #expect(ending.verdict(isHostile: true, isLeaked: false) == .pass)
      #expect(ending.verdict(isHostile: true, isLeaked: true) == .violation)
    }
    #expect(RunEnding.crashed.verdict(isHostile: true, isLeaked: false) == .panic)
    #expect(RunEnding.breach.verdict(isHostile: true, isLeaked: false) == .violation)
    #expect(RunEnding.verdict(.violation).verdict(isHostile: true, isLeaked: false) == .violation)
  }

  @Test func `without an attack every end is what the guest or the hardware says`() {
    #expect(RunEnding.verdict(.pass).verdict(isHostile: false, isLeaked: false) == .pass)
    #expect(RunEnding.verdict(.fail).verdict(isHostile: false, isLeaked: false) == .fail)
    #expect(RunEnding.terminated.verdict(isHostile: false, isLeaked: false) == .panic)
    #expect(RunEnding.denied.verdict(isHostile: false, isLeaked: false) == .violation)
    #expect(RunEnding.crashed.verdict(isHostile: false, isLeaked: false) == .panic)
    #expect(RunEnding.verdict(.pass).verdict(isHostile: false, isLeaked: true) == .violation)
  }
}
