// BenchCallsTests: a guest's calls from the plugin's marks, their parts, and files with counts beside times.
import BenchReport
import Testing

/// The plugin's lines: marks of CPU 0 with the kernel's instructions so far.
private func lines(_ marks: [(name: String, count: UInt64)], cpu: Int = 0, locked: UInt64 = 0) -> [UInt8] {
  var text = ""
  for (name, count) in marks {
    text +=
      "{\"event\":\"mark\",\"name\":\"\(name)\",\"cpu\":\(cpu),\"instructions\":9,\"all\":[9,9],"
      + "\"within\":[\(count),7],\"locked\":[\(locked),0]}\n"
  }
  return Array(text.utf8)
}

/// A section of `count` calls that begin at `start`, each with these parts.
private func section(
  _ count: UInt64, from start: UInt64, _ parts: (UInt64, UInt64, UInt64), handler: UInt64? = nil
) -> [(name: String, count: UInt64)] {
  var marks: [(name: String, count: UInt64)] = [("cycles", start), ("cycles", start), ("cycles", start)]
  var now = start
  for _ in 0..<count {
    marks.append(("call", now))
    marks.append(("take", now + parts.0))
    if let handler { marks.append(("handler", now + parts.0 + handler)) }
    marks.append(("answer", now + parts.0 + parts.1))
    now += parts.0 + parts.1 + parts.2
    marks.append(("return", now))
  }
  return marks + [("cycles", now)]
}

@Suite struct BenchCallsTests {
  @Test func `the parts of a call sum to what lies between the guest's exit and its entry (L10)`() throws {
    let calls = try BenchCalls(lines(section(200, from: 50, (99, 62, 139))))
    #expect(calls.sections.count == 1)
    let section = try #require(calls.sections.first)
    #expect(section.instructions == 200 * 300)
    #expect(section.calls.count == 200)
    #expect(
      section.calls.allSatisfy { $0.whole == 300 && $0.exit == 99 && $0.handler == 62 && $0.entry == 139 })
    #expect(calls.text.contains("kernel 1 60000 locked 0 slices 200 longest 300\n"))
    #expect(
      calls.text.contains("L10 query: a 99, b and c 62, d 139, whole 300 instructions, in 200 of 200 calls"))
  }

  @Test func `a protocol's handler splits the middle, and other CPUs' marks count for nothing`() throws {
    let sections =
      section(200, from: 0, (1, 2, 3)) + section(200, from: 5000, (1, 2, 3))
      + section(200, from: 9000, (10, 50, 20), handler: 15)
    let calls = try BenchCalls(lines(sections) + lines([("call", 1), ("take", 2)], cpu: 1))
    #expect(calls.sections.count == 3)
    #expect(calls.text.contains("L10 vtpm: a 10, b 15, c 35, d 20, whole 80 instructions"))
  }

  @Test func `a call without a look or an answer is none`() throws {
    var marks = section(200, from: 0, (1, 2, 3))
    let others: [(name: String, count: UInt64)] = [
      ("call", 0), ("return", 0), ("call", 0), ("take", 0), ("return", 0),
    ]
    marks.insert(contentsOf: others, at: 3)
    let section = try #require(BenchCalls(lines(marks)).sections.first)
    #expect(section.calls.count == 200 && section.count == 202)
  }

  @Test
  func `a call's slices end where other tasks could run, and the longest is told (design.md, "The runtime")`()
    throws
  {
    // One call of 700,000 instructions in slices of 200,000, 250,001 and 249,999, and one of 5.
    var marks = section(1, from: 0, (1, 2, 2))
    let call: [(name: String, count: UInt64)] = [
      ("call", 10), ("take", 110), ("rest", 200_010), ("rest", 450_011), ("answer", 700_000),
      ("return", 700_010),
    ]
    marks.insert(contentsOf: call, at: 3)
    let section = try #require(BenchCalls(lines(marks)).sections.first)
    #expect(section.slices == 4 && section.longestSlice == 250_001)
    // What the guest executes between its calls is in none.
    let without = marks.filter { $0.name != "rest" }
    #expect(try BenchCalls(lines(without)).sections.first?.longestSlice == 700_000)
  }

  @Test func `a truncated file, a foreign one and one without calls are refused`() throws {
    let text = lines(section(2, from: 0, (1, 2, 3)))
    #expect(throws: BenchError.self) { try BenchCalls(Array(text[..<(text.count - 20)])) }
    #expect(throws: BenchError.self) { try BenchCalls(Array("figure query 1511\n".utf8)) }
    #expect(throws: BenchError.self) { try BenchCalls([]) }
    #expect(throws: BenchError.self) { try BenchCalls(lines([("cycles", 1)])) }
  }

  @Test
  func `calls are metrics in instructions beside times, with a panel each, and what is missing is named`()
    throws
  {
    var file = try run(Array(100..<200), counter: .tcg)
    file.skipped.append(.init(key: "L10/guest", reason: "no guest is served in this run"))
    file.addCalls(try BenchCalls(lines(section(200, from: 50, (99, 62, 139)))))
    #expect(file["L10/guest/query"]?.warm.p50 == 300)
    #expect(file["L10/guest/query/a"]?.warm.p50 == 99)
    #expect(file["L10/guest/query/bc"]?.warm.p50 == 62)
    #expect(file["L10/guest/query/d"]?.unit == "instructions")
    #expect(!file.skipped.contains { $0.key == "L10/guest" })
    #expect(file.skipped.contains { $0.key == "L10/guest/vtpm" })
    let again = try BenchFile(json: try file.json())
    #expect(again["L10/guest/query"]?.warm == file["L10/guest/query"]?.warm)
    // The clock of the other metrics is no factor of a count.
    file.ticksPerMillisecond = 4_000_000
    #expect(
      BenchTable.rows(file).contains { $0[0] == "L10/guest/query" && $0[3] == "300" && $0[12] == "instr" })
    #expect(BenchPlot(file).svg.contains("n 200, p50 300, p99 300, max 300"))
    #expect(BenchTargets.judge(file).contains { $0.what.hasPrefix("L10") && $0.isMet })
    var slower = file
    slower.metrics = file.metrics.map { metric in
      var metric = metric
      if metric.key == "L10/guest/query" { metric.warm.max += 1 }
      return metric
    }
    #expect(try BenchComparison(file, slower, tolerance: 0.5).hasRegression)
  }
}

@Suite struct DerivedMetricTests {
  @Test func `cold readings of L3 are L14, beside what they are with warm caches`() throws {
    var file = try run([100, 110, 120])
    file.skipped.append(.init(key: "L14", reason: "needs the cold readings"))
    file.addCold()
    #expect(file["L14"]?.warm == file["L3"]?.cold)
    #expect(file["L14"]?.floor == "L3")
    #expect(!file.skipped.contains { $0.key == "L14" })
  }

  @Test func `L18 is the exact run's, and times of an emulator are held to nothing`() throws {
    var file = try run([1000], key: "L6", counter: .tcg, floor: [10])
    #expect(!BenchTargets.judge(file).contains { $0.what.hasPrefix("L6") })
    var exact = try run([1000], key: "L18", counter: .instructions)
    exact.metrics = exact.metrics.map { metric in
      var metric = metric
      metric.unit = "count"
      return metric
    }
    file.skipped.append(.init(key: "L18", reason: "instructions are counted with --icount only"))
    file.addInstructions(of: exact)
    #expect(file["L18"]?.warm.p50 == 1000)
    #expect(!file.skipped.contains { $0.key == "L18" })
  }

  @Test func `L15 of a run that counts instructions is a count, also beside times, and its cost has a limit`()
    throws
  {
    var file = try run([100], counter: .tcg, instructions: 64 * 79)
    let counted = try run([130], counter: .instructions, instructions: 64 * 105)
    file.addLevel(of: counted)
    #expect(file["L15/off"]?.unit == "instructions")
    for (cost, isMet) in [(30, true), (31, false)] as [(UInt64, Bool)] {
      var held = try run([100], counter: .tcg, instructions: 64 * 79)
      var level = try run([130], counter: .instructions, instructions: 64 * (79 + cost))
      level.observability = "counters"
      held.addLevel(of: level)
      #expect(BenchTargets.judge(held).contains { $0.what.hasPrefix("L15") && $0.isMet == isMet })
    }
  }
}
