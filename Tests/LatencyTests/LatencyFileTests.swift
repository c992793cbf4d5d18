// LatencyFileTests: what a machine sends is what is read, and nothing damaged is.
import Latency
import Testing
import TraceFormat

/// A console with one metric of `count` readings.
func console(count: UInt64 = 500) -> [UInt8] {
  let bytes = Bytes()
  bytes.line("boot log")
  var writer = LatencyWriter { bytes.list.append($0) }
  let recorder = Recorder()
  for index in 0..<count { recorder.record(index * index) }
  let probe = Recorder()
  probe.record(24)
  writer.begin(cpus: 2, kilohertz: 2_596_139, flags: [.exact])
  writer.line("bench: 1/1 L3 wake to run")
  writer.metric(
    key: "L3", title: "wake to run", floor: "F4", unit: .ticks, probe: 24, instructions: 6400, locked: nil,
    operations: 64, batch: (50_000, 1000))
  writer.series(.warm, recorder)
  writer.series(.probe, probe)
  writer.skipped(key: "L10", reason: "no guest")
  writer.end()
  return bytes.list
}

final class Bytes {
  var list: [UInt8] = []
  func line(_ text: String) { list += Array(text.utf8) + [0x0A] }
}

@Suite struct LatencyFileTests {
  @Test func `a measurement is read as it was sent, beside progress and other lines`() throws {
    let file = try LatencyFile(console())
    #expect(file.kilohertz == 2_596_139)
    #expect(file.cpus == 2)
    #expect(file.flags == [.exact])
    #expect(file.skipped.map(\.key) == ["L10"])
    #expect(file.skipped.map(\.reason) == ["no guest"])
    let metric = try #require(file.metrics.first)
    #expect(metric.key == "L3")
    #expect(metric.floor == "F4")
    #expect(metric.instructions == 6400)
    #expect(metric.locked == nil)
    #expect(metric.warm?.count == 500)
    #expect(metric.warm?.maximum == 499 * 499)
    #expect(metric.warm?.histogram.total == 500)
    #expect(metric.emptyProbe?.minimum == 24)
    #expect(metric.cold == nil)
  }

  @Test func `a console that stops anywhere inside the measurement is refused`() {
    let whole = console(count: 40)
    let end = whole.count - Array("\n\(LatencyFrame.end)\n".utf8).count
    for length in stride(from: 0, to: end - 1, by: 7) {
      #expect(throws: TraceError.self) { try LatencyFile(Array(whole[..<length])) }
    }
  }

  @Test func `a changed character of any frame is refused`() {
    let whole = console(count: 20)
    let text = String(decoding: whole, as: UTF8.self)
    var start = 0
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if !line.contains(" "), line.count > 8 {
        for offset in stride(from: 0, to: line.utf8.count, by: 5) {
          var damaged = whole
          damaged[start + offset] = damaged[start + offset] == 0x41 ? 0x42 : 0x41
          #expect(throws: TraceError.self) { try LatencyFile(damaged) }
        }
      }
      start += line.utf8.count + 1
    }
  }

  @Test func `a missing frame is refused`() {
    let lines = String(decoding: console(), as: UTF8.self).split(separator: "\n")
    for index in lines.indices where !lines[index].contains(" ") {
      let rest = lines.enumerated().filter { $0.offset != index }.map { String($0.element) }.joined(
        separator: "\n")
      #expect(throws: TraceError.self) { try LatencyFile(Array(rest.utf8)) }
    }
  }
}
