// LatencyFile: what a machine measured, read back from its console.
public import TraceFormat

/// Distributions and counts as a machine sent them.
public struct LatencyFile: Sendable {
  /// One distribution.
  public struct Series: Sendable {
    /// How many readings.
    public var count: UInt64
    /// The smallest.
    public var minimum: UInt64
    /// The largest.
    public var maximum: UInt64
    /// Which one that was, from 0.
    public var maximumIndex: UInt64
    /// The sum of all.
    public var sum: UInt64
    /// The readings.
    public var histogram = Histogram()

    init(count: UInt64, minimum: UInt64, maximum: UInt64, maximumIndex: UInt64, sum: UInt64) {
      self.count = count
      self.minimum = minimum
      self.maximum = maximum
      self.maximumIndex = maximumIndex
      self.sum = sum
    }

    /// What a recorder holds.
    public init(_ recorder: Recorder) {
      self.init(
        count: recorder.count, minimum: recorder.minimum, maximum: recorder.maximum,
        maximumIndex: recorder.maximumIndex, sum: recorder.sum)
      histogram = recorder.histogram
    }
  }
  /// One metric.
  public struct Metric: Sendable {
    /// Its key: the number of runtime.md §6 and a variant, as `L2/1000`.
    public var key: String
    /// What it is.
    public var title: String
    /// The key of the floor that it is to be seen beside; empty for none.
    public var floor: String
    /// What its readings count.
    public var unit: LatencyUnit
    /// The empty probe's minimum, which was subtracted.
    public var probe: UInt64
    /// Instructions of `operations` operations, if they were counted.
    public var instructions: UInt64?
    /// Locked instructions among them.
    public var locked: UInt64?
    /// How many operations were counted.
    public var operations: UInt64
    /// Ticks of the best batch.
    public var batchTicks: UInt64
    /// Its operations; 0 for a metric that has no batches.
    public var batchOperations: UInt64
    /// The distributions, by series.
    public var warm: Series?
    /// With emptied caches.
    public var cold: Series?
    /// The empty probe.
    public var emptyProbe: Series?
  }
  /// A metric that was not measured.
  public struct Skipped: Equatable, Sendable {
    /// Its key.
    public var key: String
    /// Why.
    public var reason: String
  }

  /// Ticks of the counter in a millisecond, not 0.
  public private(set) var kilohertz: UInt64 = 1
  /// CPUs that ran.
  public private(set) var cpus = 0
  /// What the machine said of itself.
  public private(set) var flags: LatencyFlags = []
  /// The metrics, in the order measured.
  public private(set) var metrics: [Metric] = []
  /// What was not measured.
  public private(set) var skipped: [Skipped] = []

  private var frames: UInt32 = 0
  private var isEnded = false

  /// Reads the frames between the marker lines of a console's text; all other lines are left alone.
  public init(_ text: [UInt8]) throws(TraceError) {
    var line = 0
    var current: [UInt8] = []
    var isInside = false
    for byte in text + [0x0A] {
      guard byte == 0x0A else {
        current.append(byte)
        continue
      }
      line += 1
      if current.last == 0x0D { current.removeLast() }
      if Self.isMarker(current, LatencyFrame.begin) {
        isInside = true
      } else if Self.isMarker(current, LatencyFrame.end) {
        isInside = false
      } else if isInside, Self.isFrame(current) {
        try take(current, line)
      }
      current = []
    }
    guard isEnded, metrics.allSatisfy({ $0.isWhole }) else { throw TraceError(.truncated, line: line) }
  }

  private static func isMarker(_ line: [UInt8], _ marker: String) -> Bool { line == [UInt8](marker.utf8) }

  /// Progress lines hold blanks, which base64 does not have.
  private static func isFrame(_ line: [UInt8]) -> Bool { !line.isEmpty && !line.contains(0x20) }

  private mutating func take(_ text: [UInt8], _ line: Int) throws(TraceError) {
    guard var fields = TraceFields(base64: text) else { throw TraceError(.base64, line: line) }
    guard fields.checkAndDropChecksum() else { throw TraceError(.checksum, line: line) }
    guard let kind = fields.u8(), let number = fields.u8(), let cpu = fields.u16() else {
      throw TraceError(.malformed, line: line)
    }
    let isStart = kind == LatencyFrame.start.rawValue
    guard !isEnded, isStart == (frames == 0) else { throw TraceError(.order, line: line) }
    let isUnderstood =
      switch TraceFrameKind(rawValue: kind) {
      case LatencyFrame.start: start(number, cpu, &fields)
      case LatencyFrame.metric: metric(number, &fields)
      case LatencyFrame.series: series(number, &fields)
      case LatencyFrame.counters: counters(number, &fields)
      case LatencyFrame.skipped: skip(&fields)
      case LatencyFrame.last: last(&fields)
      default: false
      }
    guard isUnderstood, fields.isEmpty else { throw TraceError(.malformed, line: line) }
    frames &+= 1
  }

  private mutating func start(_ number: UInt8, _ cpu: UInt16, _ fields: inout TraceFields) -> Bool {
    guard number == LatencyFrame.version, let rate = fields.u64(), rate > 0, let bits = fields.u32() else {
      return false
    }
    kilohertz = rate
    cpus = Int(cpu)
    flags = LatencyFlags(rawValue: bits)
    return true
  }

  private mutating func metric(_ number: UInt8, _ fields: inout TraceFields) -> Bool {
    guard let key = fields.text(), let title = fields.text(), let floor = fields.text(),
      let probe = fields.u64(),
      let instructions = fields.u64(), let locked = fields.u64(), let operations = fields.u64(),
      operations > 0,
      let batchTicks = fields.u64(), let batchOperations = fields.u64()
    else { return false }
    metrics.append(
      Metric(
        key: String(decoding: key, as: UTF8.self), title: String(decoding: title, as: UTF8.self),
        floor: String(decoding: floor, as: UTF8.self), unit: LatencyUnit(rawValue: number), probe: probe,
        instructions: instructions == .max ? nil : instructions, locked: locked == .max ? nil : locked,
        operations: operations, batchTicks: batchTicks, batchOperations: batchOperations))
    return true
  }

  private var openSeries: LatencySeries = .warm

  private mutating func series(_ number: UInt8, _ fields: inout TraceFields) -> Bool {
    guard !metrics.isEmpty, let count = fields.u64(), let minimum = fields.u64(), let maximum = fields.u64(),
      let index = fields.u64(), let sum = fields.u64()
    else { return false }
    openSeries = LatencySeries(rawValue: number)
    let series = Series(count: count, minimum: minimum, maximum: maximum, maximumIndex: index, sum: sum)
    return metrics[metrics.count - 1].set(series, openSeries)
  }

  private mutating func counters(_ number: UInt8, _ fields: inout TraceFields) -> Bool {
    guard !metrics.isEmpty else { return false }
    for _ in 0..<number {
      guard let index = fields.u32(), let count = fields.u32(),
        metrics[metrics.count - 1].add(count, at: Int(index), openSeries)
      else { return false }
    }
    return true
  }

  private mutating func skip(_ fields: inout TraceFields) -> Bool {
    guard let key = fields.text(), let reason = fields.text() else { return false }
    skipped.append(
      Skipped(key: String(decoding: key, as: UTF8.self), reason: String(decoding: reason, as: UTF8.self)))
    return true
  }

  private mutating func last(_ fields: inout TraceFields) -> Bool {
    guard let count = fields.u32(), count == frames else { return false }
    isEnded = true
    return true
  }
}

extension LatencyFile.Metric {
  fileprivate mutating func set(_ value: LatencyFile.Series, _ series: LatencySeries) -> Bool {
    switch series {
    case .warm: warm = value
    case .cold: cold = value
    case .probe: emptyProbe = value
    default: return false
    }
    return true
  }

  fileprivate mutating func add(_ count: UInt32, at index: Int, _ series: LatencySeries) -> Bool {
    switch series {
    case .warm: warm?.histogram.add(count, at: index) ?? false
    case .cold: cold?.histogram.add(count, at: index) ?? false
    case .probe: emptyProbe?.histogram.add(count, at: index) ?? false
    default: false
    }
  }

  /// Whether every histogram holds as many readings as its series says.
  fileprivate var isWhole: Bool {
    guard let warm else { return false }
    return [warm, cold, emptyProbe].allSatisfy { $0.map { $0.histogram.total == $0.count } ?? true }
  }
}
