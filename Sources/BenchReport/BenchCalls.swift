// BenchCalls: what a guest's calls took of the kernel, from the marks of the plugin that counts instructions.
import Foundation
import Latency

/// Calls of a real guest, in instructions of the kernel: nothing of the guest, the host and the machine below is in them.
///
/// The guest (`boards/guest/Bench.swift`) makes calls in sections, each between two readings of its counter; the plugin
/// (`ci/plugin/count.c`) says how many of the kernel's instructions had been executed whenever a mark was reached.
public struct BenchCalls: Sendable {
  /// One call, from the guest's leaving to its coming back.
  public struct Call: Equatable, Sendable {
    /// Until its calling area is looked at (L10's part a).
    public var exit: UInt64
    /// From there to its protocol's handler (b); nil for a call of Core, which is served where it is decoded.
    public var dispatch: UInt64?
    /// To the writing of the reply (c; with b where there is none).
    public var handler: UInt64
    /// Until the guest goes on (d).
    public var entry: UInt64
    /// All of it.
    public var whole: UInt64 { exit &+ (dispatch ?? 0) &+ handler &+ entry }
  }
  /// What lies between two readings of the guest's counter.
  public struct Section: Sendable {
    /// The kernel's instructions.
    public var instructions: UInt64
    /// How many of them lock.
    public var locked: UInt64
    /// The calls within, as far as all their marks were seen.
    public var calls: [Call]
    /// How many calls there were.
    public var count: UInt64
    /// The most instructions between two moments at which other tasks, or the guest, could run.
    public var longestSlice: UInt64
    /// How many such stretches there were.
    public var slices: UInt64
  }

  /// In the order of the guest's own figures.
  public private(set) var sections: [Section] = []

  private struct Mark: Decodable {
    var event: String
    var name: String?
    var cpu: Int?
    var within: [UInt64]?
    var locked: [UInt64]?
  }

  /// Reads the plugin's lines: of the first CPU, and of marks named `cycles`, `call`, `take`, `handler`, `rest`, `answer`
  /// and `return`.
  public init(_ text: [UInt8]) throws(BenchError) {
    let decoder = JSONDecoder()
    var reader = Reader()
    for line in text.split(separator: 0x0A) {
      guard let mark = try? decoder.decode(Mark.self, from: Data(line)) else {
        throw BenchError("it is truncated or not the plugin's")
      }
      guard mark.event == "mark", mark.cpu == 0, let name = mark.name else { continue }
      guard let count = mark.within?.first, let locked = mark.locked?.first else {
        throw BenchError("a mark has no count of the kernel's instructions")
      }
      if let section = reader.take(name, count, locked) { sections.append(section) }
    }
    guard sections.contains(where: { !$0.calls.isEmpty }) else { throw BenchError("it holds no call") }
  }

  /// What has been read of the section under way.
  private struct Reader {
    var looks = 0
    var first: (count: UInt64, locked: UInt64)?
    var calls: [Call] = []
    var returns: UInt64 = 0
    var slices: (longest: UInt64, count: UInt64) = (0, 0)
    /// Where the present slice began.
    var slice: UInt64?
    /// The counts at the present call's marks.
    var call: UInt64?
    var take: UInt64?
    var handler: UInt64?
    var answer: UInt64?

    /// The section that this mark ends.
    mutating func take(_ name: String, _ count: UInt64, _ locked: UInt64) -> Section? {
      switch name {
      case "cycles":
        // Two readings for what a reading takes, then one before the section and one behind it.
        looks += 1
        if looks % 4 == 3 {
          first = (count, locked)
          (calls, returns, slices) = ([], 0, (0, 0))
        } else if looks % 4 == 0, let first {
          self.first = nil
          return Section(
            instructions: count &- first.count, locked: locked &- first.locked, calls: calls, count: returns,
            longestSlice: slices.longest, slices: slices.count)
        }
      case "call":
        call = count
        slice = count
        (take, handler, answer) = (nil, nil, nil)
      case "take": if take == nil { take = count }
      case "handler": if take != nil, handler == nil { handler = count }
      case "answer": if take != nil, answer == nil { answer = count }
      case "rest": endSlice(count, next: count)
      case "return":
        endSlice(count, next: nil)
        finish(count)
      default: break
      }
      return nil
    }

    private mutating func endSlice(_ count: UInt64, next: UInt64?) {
      guard let slice else { return }
      slices = (max(slices.longest, count &- slice), slices.count + 1)
      self.slice = next
    }

    private mutating func finish(_ count: UInt64) {
      defer { call = nil }
      if call != nil { returns += 1 }
      guard let call, let take, let answer, first != nil else { return }
      calls.append(
        Call(
          exit: take &- call, dispatch: handler.map { $0 &- take }, handler: answer &- (handler ?? take),
          entry: count &- answer))
    }
  }

  /// The text of `boards/run BOARD --guest bench --exact`: a line for each section, then L10's parts.
  public var text: String {
    var out = ""
    for (index, section) in sections.enumerated() {
      out += "kernel \(index + 1) \(section.instructions) locked \(section.locked) "
      out += "slices \(section.slices) longest \(section.longestSlice)\n"
    }
    for (name, section) in named {
      guard let call = Self.commonest(section.calls) else { continue }
      let middle = call.dispatch.map { "b \($0), c \(call.handler)" } ?? "b and c \(call.handler)"
      out +=
        "L10 \(name.key): a \(call.exit), \(middle), d \(call.entry), whole \(call.whole) instructions, in "
        + "\(section.calls.filter { $0 == call }.count) of \(section.calls.count) calls\n"
    }
    return out
  }

  private static func commonest(_ calls: [Call]) -> Call? {
    var counts: [(call: Call, count: Int)] = []
    for call in calls {
      if let index = counts.firstIndex(where: { $0.call == call }) {
        counts[index].count += 1
      } else {
        counts.append((call, 1))
      }
    }
    return counts.max { $0.count < $1.count }?.call
  }

  private struct Name {
    var key: String
    var title: String
  }
  /// Sections of many calls, in the guest's order.
  private var named: [(Name, Section)] {
    let names = [
      Name(key: "query", title: "Core QUERY_PROTOCOL"), Name(key: "remap", title: "Core REMAP_CA"),
      Name(key: "vtpm", title: "vTPM QUERY"), Name(key: "random", title: "vTPM command TPM2_GetRandom"),
    ]
    return Array(zip(names, sections.filter { $0.calls.count >= 100 }))
  }

  /// L10's metrics: each call whole and in its parts.
  var metrics: [BenchFile.Metric] {
    named.flatMap { name, section -> [BenchFile.Metric] in
      let key = "L10/guest/\(name.key)"
      let calls = section.calls
      let locked = Double(section.locked) / Double(max(1, section.count))
      let hasDispatch = calls.allSatisfy { $0.dispatch != nil }
      var metrics = [
        Self.metric(
          key, "request of a guest, \(name.title): its exit to its entry", calls.map(\.whole), locked: locked),
        Self.metric(key + "/a", "\(name.title): exit to the look at the calling area", calls.map(\.exit)),
      ]
      if hasDispatch {
        metrics.append(
          Self.metric(key + "/b", "\(name.title): to the protocol's handler", calls.compactMap(\.dispatch)))
      }
      metrics += [
        Self.metric(
          key + (hasDispatch ? "/c" : "/bc"), "\(name.title): to the reply in the calling area",
          calls.map { hasDispatch ? $0.handler : ($0.dispatch ?? 0) &+ $0.handler }),
        Self.metric(key + "/d", "\(name.title): reply to entry", calls.map(\.entry)),
      ]
      return metrics
    }
  }

  private static func metric(
    _ key: String, _ title: String, _ readings: [UInt64], locked: Double? = nil
  ) -> BenchFile.Metric {
    let recorder = Recorder()
    for reading in readings { recorder.record(reading) }
    return BenchFile.Metric(
      key: key, title: title, unit: "instructions", floor: nil, probeMinimum: 0, batch: nil,
      instructions: nil,
      lockedInstructions: locked.map { ($0 * 100).rounded() / 100 },
      warm: BenchFile.Series(LatencyFile.Series(recorder)), cold: nil, probe: nil)
  }
}

extension BenchFile {
  /// Adds L10 of a real guest.
  public mutating func addCalls(_ calls: BenchCalls) {
    let new = calls.metrics
    skipped.removeAll { line in
      line.key == "L10/guest" || new.contains { $0.key == line.key }
    }
    metrics.insert(
      contentsOf: new, at: metrics.lastIndex { $0.key.hasPrefix("L10/") }.map { $0 + 1 } ?? metrics.count)
    if !new.contains(where: { $0.key.hasPrefix("L10/guest/vtpm") }) {
      skipped.append(
        Skipped(key: "L10/guest/vtpm", reason: "this image serves no TPM: --vtpm is one that does"))
    }
    skipped.append(
      Skipped(key: "L10/guest/attestation", reason: "no board serves this protocol: none has reports"))
  }
}
