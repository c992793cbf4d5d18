// TraceFileTests: what the kernel frames, the host tool reads; anything else is refused (issue 2, part 6).
import Bits
import Testing
import TraceFormat

private func line(_ frame: TraceFrame) -> [UInt8] {
  var text: [UInt8] = []
  frame.write { text.append($0) }
  return text
}

/// Two CPUs; the first has three records and a task, the second nothing.
private func sample() -> [[UInt8]] {
  var start = TraceFrame(.start, number: TraceFrame.version, cpu: 2)
  start.append64(1000)
  var first = TraceFrame(.processor, cpu: 0)
  for value in [3, 1, 250_000] as [UInt64] { first.append64(value) }
  for value in [7, 3, 1] as [UInt32] { first.append32(value) }
  var records = TraceFrame(.records, number: 3, cpu: 0)
  for (time, kind) in [(5000, 3), (6500, 4), (7000, 7)] as [(UInt64, UInt32)] {
    records.append64(time)
    records.append32(kind == 7 ? 0 : 7)
    records.append32(kind)
  }
  var task = TraceFrame(.task, cpu: 0)
  for value in [7, 42, 1, 1, 1500, 20] as [UInt32] { task.append32(value) }
  for text in ["clock\"work", "Board/Board.swift"] {
    task.append(UInt8(text.utf8.count))
    for byte in text.utf8 { task.append(byte) }
  }
  var second = TraceFrame(.processor, cpu: 1)
  for _ in 0..<3 { second.append64(0) }
  for _ in 0..<3 { second.append32(0) }
  var end = TraceFrame(.end)
  end.append32(5)
  return [start, first, records, task, second, end].map(line)
}

private func join(_ lines: [[UInt8]]) -> [UInt8] { lines.flatMap { $0 + [0x0A] } }

private func reason(_ lines: [[UInt8]]) -> TraceError.Reason? {
  do throws(TraceError) {
    _ = try TraceFile(join(lines))
    return nil
  } catch { return error.reason }
}

@Suite struct TraceFileTests {
  @Test func `a trace comes back with every field, with markers and carriage returns around its lines`()
    throws
  {
    let markers = ["-----BEGIN APUS TRACE-----", "-----END APUS TRACE-----"].map { Array($0.utf8) }
    let lines = [markers[0]] + sample().map { $0 + [0x0D] } + [markers[1]]
    let file = try TraceFile(join(lines))
    #expect(file.ticksPerMicrosecond == 1000)
    #expect(file.processors.map(\.cpu) == [0, 1])
    #expect(file.processors[0].records.map(\.time) == [5000, 6500, 7000])
    #expect(file.processors[0].stalledTask == 7)
    #expect(file.processors[0].tasks.first?.line == 42)
    #expect(file.processors[0].tasks.first?.file == Array("Board/Board.swift".utf8))
  }

  @Test func `base64 is that of RFC 4648 section 10 once the checksum is taken off`() {
    let text = line(TraceFrame(TraceFrameKind(rawValue: 0x66), number: 0x6F, cpu: 0x626F))
    #expect(Array(text.prefix(5)) == Array("Zm9vY".utf8))
    #expect(text.suffix(1) == [0x3D])
  }

  @Test func `every lost line is noticed`() {
    let lines = sample()
    for index in lines.indices {
      var damaged = lines
      damaged.remove(at: index)
      #expect(reason(damaged) == (index == lines.count - 1 ? .truncated : .order))
    }
  }

  @Test func `two lines that change places are noticed`() {
    let lines = sample()
    for index in 1..<lines.count {
      var damaged = lines
      damaged.swapAt(index - 1, index)
      // Records and tasks of one CPU stand in any order; everything else has its place.
      if index != 3 { #expect(reason(damaged) != nil) }
    }
  }

  @Test func `every changed character is noticed`() {
    let lines = sample()
    for line in lines.indices {
      for place in lines[line].indices {
        var damaged = lines
        damaged[line][place] = damaged[line][place] == 0x41 ? 0x42 : 0x41
        #expect(reason(damaged) != nil, "line \(line) place \(place)")
        damaged[line][place] = 0x2A
        #expect(reason(damaged) == .base64)
      }
    }
  }

  @Test func `every prefix of a trace is refused`() {
    let text = join(sample())
    for length in 0..<(text.count - 1) {
      #expect(throws: TraceError.self) { try TraceFile(Array(text.prefix(length))) }
    }
  }

  @Test func `a frame with too many or too few fields, or of another version, is refused`() {
    var lines = sample()
    var long = TraceFrame(.start, number: TraceFrame.version, cpu: 2)
    long.append64(1000)
    long.append(0)
    lines[0] = line(long)
    #expect(reason(lines) == .malformed)
    lines[0] = line(TraceFrame(.start, number: TraceFrame.version, cpu: 2))
    #expect(reason(lines) == .malformed)
    var newer = TraceFrame(.start, number: 2, cpu: 2)
    newer.append64(1000)
    lines[0] = line(newer)
    #expect(reason(lines) == .malformed)
  }

  @Test func `a run is a duration named after its task, in microseconds from the first record`() throws {
    let json = String(decoding: TraceTimeline(try TraceFile(join(sample()))).json, as: UTF8.self)
    #expect(
      json.contains(
        "{\"ph\":\"X\",\"name\":\"clock?work\",\"pid\":1,\"tid\":0,\"ts\":0.000,\"dur\":1.500,\"args\":{\"task\":7}}"
      ))
    #expect(json.contains("{\"ph\":\"i\",\"name\":\"idle\",\"pid\":1,\"tid\":0,\"ts\":2.000,\"s\":\"t\"}"))
    #expect(json.contains("\"name\":\"CPU 1\""))
    #expect(json.contains("\"stalls\":1,\"longest_us\":250.000,\"task\":\"clock?work\""))
  }
}
