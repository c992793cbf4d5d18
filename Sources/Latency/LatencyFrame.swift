// LatencyFrame: the frames in which a machine sends what it measured: CRC-checked lines of base64 (`TraceFrame`).
public import TraceFormat

/// What a number of a metric counts.
public struct LatencyUnit: RawRepresentable, Equatable, Sendable {
  /// The byte on the wire.
  public let rawValue: UInt8
  /// A unit, known or not.
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// Ticks of the machine's counter: time, or instructions where the counter counts those.
  public static var ticks: Self { Self(rawValue: 0) }
  /// Bytes.
  public static var bytes: Self { Self(rawValue: 1) }
  /// How often something happened.
  public static var count: Self { Self(rawValue: 2) }
  /// Hundredths of a percent.
  public static var basisPoints: Self { Self(rawValue: 3) }
}

/// Which distribution of a metric a histogram frame belongs to.
public struct LatencySeries: RawRepresentable, Equatable, Sendable {
  /// The byte on the wire.
  public let rawValue: UInt8
  /// A series, known or not.
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// As it runs in steady state.
  public static var warm: Self { Self(rawValue: 0) }
  /// With the caches emptied before each reading.
  public static var cold: Self { Self(rawValue: 1) }
  /// The empty probe right before the metric.
  public static var probe: Self { Self(rawValue: 2) }
}

/// What a frame holds: its first byte; the numbers continue those of traces.
public enum LatencyFrame {
  /// Version of this format.
  public static var version: UInt8 { 1 }
  /// The line before the first frame.
  public static var begin: String { "-----BEGIN APUS LATENCY-----" }
  /// The line behind the last.
  public static var end: String { "-----END APUS LATENCY-----" }
  /// number = version, cpu = CPUs; ticks per millisecond u64, flags u32 (`LatencyFlags`).
  public static var start: TraceFrameKind { TraceFrameKind(rawValue: 32) }
  /// number = unit; key, title, floor's key (length and bytes each), probe minimum u64, instructions and locked
  /// instructions of `operations` operations u64 each (all ones: not counted), operations u64, ticks of the best of some
  /// batches and its operations u64 each (0: not measured so).
  public static var metric: TraceFrameKind { TraceFrameKind(rawValue: 33) }
  /// number = series; readings, minimum, maximum, index of the maximum, sum u64 each.
  public static var series: TraceFrameKind { TraceFrameKind(rawValue: 34) }
  /// number = how many pairs of counter and count, u32 each; of the series before it.
  public static var counters: TraceFrameKind { TraceFrameKind(rawValue: 35) }
  /// Key and reason (length and bytes each): a metric that this board cannot measure, or refused to.
  public static var skipped: TraceFrameKind { TraceFrameKind(rawValue: 36) }
  /// How many frames came before, u32.
  public static var last: TraceFrameKind { TraceFrameKind(rawValue: 37) }
  /// Pairs in a counters frame at most.
  public static var pairLimit: Int { 64 }
}

/// What a machine says of its measurement.
public struct LatencyFlags: OptionSet, Sendable {
  /// The bits on the wire.
  public let rawValue: UInt32
  /// Flags, known or not.
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// The counter counts instructions exactly.
  public static var exact: Self { Self(rawValue: 1) }
  /// Counters per task and the stall detector are compiled in.
  public static var counters: Self { Self(rawValue: 2) }
  /// And the ring of trace records.
  public static var trace: Self { Self(rawValue: 4) }
}

extension TraceFrame {
  /// Adds a length and that many bytes, at most 120.
  package mutating func append(text: String) {
    let bytes = text.utf8Span.span
    let count = min(bytes.count, 120)
    append(UInt8(truncatingIfNeeded: count))
    for index in 0..<count { append(bytes[index]) }
  }
}

/// Sends frames and counts them.
package struct LatencyWriter {
  private let put: (UInt8) -> Void
  private var frames: UInt32 = 0

  /// A writer to `put`.
  package init(_ put: @escaping (UInt8) -> Void) { self.put = put }

  package mutating func begin(cpus: Int, kilohertz: UInt64, flags: LatencyFlags) {
    line(LatencyFrame.begin)
    var frame = TraceFrame(
      LatencyFrame.start, number: LatencyFrame.version, cpu: UInt16(truncatingIfNeeded: cpus))
    frame.append64(kilohertz)
    frame.append32(flags.rawValue)
    send(frame)
  }

  package mutating func metric(
    key: String, title: String, floor: String, unit: LatencyUnit, probe: UInt64, instructions: UInt64?,
    locked: UInt64?, operations: UInt64, batch: (ticks: UInt64, operations: UInt64)
  ) {
    var frame = TraceFrame(LatencyFrame.metric, number: unit.rawValue)
    frame.append(text: key)
    frame.append(text: title)
    frame.append(text: floor)
    frame.append64(probe)
    frame.append64(instructions ?? .max)
    frame.append64(locked ?? .max)
    frame.append64(operations)
    frame.append64(batch.ticks)
    frame.append64(batch.operations)
    send(frame)
  }

  package mutating func series(_ series: LatencySeries, _ recorder: Recorder) {
    var head = TraceFrame(LatencyFrame.series, number: series.rawValue)
    head.append64(recorder.count)
    head.append64(recorder.minimum)
    head.append64(recorder.maximum)
    head.append64(recorder.maximumIndex)
    head.append64(recorder.sum)
    send(head)
    var pairs: [(Int, UInt32)] = []
    pairs.reserveCapacity(LatencyFrame.pairLimit)
    recorder.histogram.forEach { index, count in
      pairs.append((index, count))
      if pairs.count == LatencyFrame.pairLimit { flush(&pairs) }
    }
    flush(&pairs)
  }

  private mutating func flush(_ pairs: inout [(Int, UInt32)]) {
    if pairs.isEmpty { return }
    var frame = TraceFrame(LatencyFrame.counters, number: UInt8(truncatingIfNeeded: pairs.count))
    for (index, count) in pairs {
      frame.append32(UInt32(truncatingIfNeeded: index))
      frame.append32(count)
    }
    send(frame)
    pairs.removeAll(keepingCapacity: true)
  }

  package mutating func skipped(key: String, reason: String) {
    var frame = TraceFrame(LatencyFrame.skipped)
    frame.append(text: key)
    frame.append(text: reason)
    send(frame)
  }

  package mutating func end() {
    var frame = TraceFrame(LatencyFrame.last)
    frame.append32(frames)
    send(frame)
    line(LatencyFrame.end)
  }

  /// A line of plain text, for people who wait; never inside a frame.
  package func line(_ text: String) {
    let bytes = text.utf8Span.span
    for index in bytes.indices { put(bytes[index]) }
    put(0x0A)
  }

  private mutating func send(_ frame: TraceFrame) {
    frame.write(to: put)
    put(0x0A)
    frames &+= 1
  }
}
