// BenchReportTests: files, comparisons, targets, pictures and pages of runs.
import BenchReport
import Latency
import Testing

/// A run with one metric of these readings.
func run(
  _ readings: [UInt64], key: String = "L3", board: String = "sim", counter: BenchFile.Counter = .hardware,
  instructions: UInt64? = 6400, locked: UInt64? = 0, cpu: String = "a CPU", floor: [UInt64]? = nil
) throws -> BenchFile {
  let bytes = Bytes()
  var writer = LatencyWriter { bytes.list.append($0) }
  writer.begin(cpus: 1, kilohertz: 1_000_000, flags: counter == .instructions ? .exact : [])
  if let floor {
    writer.metric(
      key: "F6", title: "floor", floor: "", unit: .ticks, probe: 0, instructions: nil, locked: nil,
      operations: 64, batch: (50_000, 1000))
    writer.series(.warm, recorder(floor))
  }
  writer.metric(
    key: key, title: "wake <to> \"run\" & more", floor: floor == nil ? "" : "F6", unit: .ticks, probe: 20,
    instructions: instructions, locked: locked, operations: 64, batch: (50_000, 1000))
  writer.series(.warm, recorder(readings))
  writer.series(.cold, recorder(readings.map { $0 * 3 }))
  writer.skipped(key: "L10", reason: "no guest on this board")
  writer.end()
  return BenchFile(
    try LatencyFile(bytes.list),
    BenchContext(
      board: board, counter: counter, commit: "abc1234", toolchain: "Swift 6.3.1", flags: "-O", cpuModel: cpu)
  )
}

final class Bytes { var list: [UInt8] = [] }

func recorder(_ readings: [UInt64]) -> Recorder {
  let recorder = Recorder()
  for reading in readings { recorder.record(reading) }
  return recorder
}

@Suite struct BenchFileTests {
  @Test func `statistics are those of the readings`() throws {
    let warm = try #require(run([100, 200, 300, 400])["L3"]).warm
    #expect(warm.n == 4)
    #expect(warm.min == 100)
    #expect(warm.p50 == 200)
    #expect(warm.p99 == 400)
    #expect(warm.max == 400)
    #expect(warm.maxIndex == 3)
    #expect(warm.mean == 250)
    #expect(abs(warm.sd - 129.1) < 0.1)
  }

  @Test func `a file written and read is the same, and written twice the same bytes`() throws {
    let file = try run(Array(0..<3000))
    let json = try file.json()
    let again = try BenchFile(json: json)
    #expect(try again.json() == json)
    #expect(again["L3"]?.warm == file["L3"]?.warm)
    #expect(again["L3"]?.instructions == 100)
    #expect(again["L3"]?.batch == 50)
    #expect(again["L3"]?.warm.decodedHistogram?.total == 3000)
  }

  @Test func `a truncated, foreign, newer or damaged file is refused with its reason`() throws {
    let json = try run([1, 2, 3]).json()
    for length in stride(from: 0, to: json.count - 2, by: 13) {
      #expect(throws: BenchError.self) { try BenchFile(json: Array(json[..<length])) }
    }
    func refused(_ text: String) -> String? {
      do throws(BenchError) {
        _ = try BenchFile(json: Array(text.utf8))
        return nil
      } catch { return error.reason }
    }
    let text = String(decoding: json, as: UTF8.self)
    #expect(refused("{\"format\":\"other\",\"version\":1}")?.contains("not a benchmark file") == true)
    #expect(refused("[]")?.contains("not JSON of this kind") == true)
    #expect(
      refused(text.replacing("\"version\" : 1", with: "\"version\" : 2"))?.contains("schema version is 2")
        == true)
    #expect(refused(text.replacing("\"n\" : 3", with: "\"n\" : 4"))?.contains("histogram") == true)
    #expect(refused(text.replacing("\"commit\"", with: "\"comit\""))?.contains("field") == true)
  }
}

@Suite struct BenchComparisonTests {
  let base: [UInt64] = Array(90...110)

  @Test func `the same run twice has no changes`() throws {
    let comparison = try BenchComparison(try run(base), try run(base), tolerance: 0.1)
    #expect(comparison.changes.isEmpty)
    #expect(!comparison.hasRegression)
  }

  @Test func `ten microseconds more are a regression, less are none`() throws {
    let slow = try run(base.map { $0 + 10_000 })
    #expect(try BenchComparison(try run(base), slow, tolerance: 0.1).hasRegression)
    let better = try BenchComparison(slow, try run(base), tolerance: 0.1)
    #expect(!better.hasRegression)
    #expect(better.changes.count == 1)
  }

  @Test func `one locked instruction or one instruction more is a regression`() throws {
    #expect(try BenchComparison(try run(base), try run(base, locked: 64), tolerance: 0.1).hasRegression)
    #expect(
      try BenchComparison(try run(base), try run(base, instructions: 6464), tolerance: 0.1).hasRegression)
  }

  @Test func `times within the tolerance are noise`() throws {
    #expect(try BenchComparison(try run(base), try run(base.map { $0 + 6 }), tolerance: 0.1).changes.isEmpty)
  }

  @Test func `instructions have no noise`() throws {
    let old = try run(base, counter: .instructions)
    let new = try run(base.map { $0 + 1 }, counter: .instructions)
    #expect(try BenchComparison(old, new, tolerance: 0.5).hasRegression)
  }

  @Test func `a metric that is gone is a regression`() throws {
    let comparison = try BenchComparison(try run(base), try run(base, key: "L2/1"), tolerance: 0.1)
    #expect(comparison.hasRegression)
    #expect(comparison.text.contains("L3  missing"))
  }

  @Test func `boards and kinds of counters are never mixed, and times of two CPUs not compared`() throws {
    #expect(throws: BenchError.self) {
      try BenchComparison(try run(base), try run(base, board: "native"), tolerance: 0.1)
    }
    #expect(throws: BenchError.self) {
      try BenchComparison(try run(base), try run(base, counter: .tcg), tolerance: 0.1)
    }
    let other = try BenchComparison(
      try run(base), try run(base.map { $0 * 9 }, cpu: "another"), tolerance: 0.1)
    #expect(other.changes.isEmpty)
    #expect(other.notes.count == 1)
  }
}

@Suite struct BenchViewTests {
  @Test func `targets are held against the figures`() throws {
    let good = BenchTargets.judge(try run([100], key: "L6", floor: [90]))
    #expect(good.contains { $0.what.hasPrefix("L6") && $0.isMet })
    let bad = BenchTargets.judge(try run([120], key: "L6", floor: [90]))
    #expect(bad.contains { $0.what.hasPrefix("L6") && !$0.isMet })
    let slow = BenchTargets.judge(try run([1], instructions: 64 * 111, locked: 64))
    #expect(slow.filter { !$0.isMet }.count == 2)
    var file = try run([1])
    file.peers = [
      .init(peer: "Swift embedded library", metric: "wake to run", nanoseconds: 60, apus_by_peer: 0.3),
      .init(
        peer: "embassy-style poll executor, std port (imitation)", metric: "yield (1)", nanoseconds: 60,
        apus_by_peer: 0.2),
      .init(
        peer: "embassy-style poll executor, spin port (imitation)", metric: "yield (1)", nanoseconds: 9,
        apus_by_peer: 0.6),
      .init(
        peer: "tokio (Debian), one thread", metric: "yield (1)", nanoseconds: 33, apus_by_peer: 0.26),
      .init(peer: "atomics-free poll loop", metric: "yield (1)", nanoseconds: 2, apus_by_peer: 1.8),
    ]
    let peers = BenchTargets.judge(file)
    #expect(peers.contains { $0.what.contains("Swift") && !$0.isMet })
    #expect(peers.contains { $0.what.contains("std port") && $0.isMet })
    #expect(peers.contains { $0.what.contains("atomics-free") && !$0.isMet })
    #expect(peers.contains { $0.what.contains("spin port") && !$0.isMet })
    #expect(peers.contains { $0.what.contains("tokio") && $0.figure == "0.26 x" && !$0.isMet })
  }

  @Test func `the table names every metric and what was left out`() throws {
    let text = BenchTable.text(try run([100, 200]))
    #expect(text.contains("L3"))
    #expect(text.contains("no guest on this board"))
    #expect(text.contains("cold p99"))
  }

  @Test func `a picture has a labelled panel for each metric and is well-formed where names are hostile`()
    throws
  {
    let svg = BenchPlot(try run(Array(100..<5000), floor: Array(50..<60))).svg
    #expect(svg.contains("L3  wake &lt;to&gt; &quot;run&quot; &amp; more"))
    #expect(
      svg.contains(">p50<") && svg.contains(">p99<") && svg.contains(">floor<") && svg.contains(">cold<"))
    #expect(svg.split(separator: "<g ").count == 3)
    #expect(!svg.contains("nan") && !svg.contains("inf"))
  }

  @Test func `a page holds every board, its history and its pictures, and refers to nothing outside`() throws
  {
    let page = BenchPage([
      .init(name: "old/sim.json", file: try run([150, 160])),
      .init(name: "sim.json", file: try run([100, 110])),
      .init(name: "native.json", file: try run([100, 110], board: "native", counter: .instructions)),
    ]).html
    #expect(page.contains("id=\"sim (hardware)\""))
    #expect(page.contains("id=\"native (instructions)\""))
    #expect(page.contains("History"))
    #expect(page.contains("old/sim.json"))
    #expect(page.split(separator: "<svg").count == 3)
    for outside in ["src=", "href=\"http", "@import", "url("] { #expect(!page.contains(outside)) }
  }
}
