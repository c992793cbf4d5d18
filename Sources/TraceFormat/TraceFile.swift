// TraceFile: a decoded trace: CPUs, their tasks and their records.

/// A trace as a machine sent it.
public struct TraceFile: Sendable {
  /// One record.
  public struct Record: Equatable, Sendable {
    /// Ticks.
    public var time: UInt64
    /// The task's identifier on its CPU; 0 for the CPU itself.
    public var task: UInt32
    /// The trace point, as `TraceKind` numbers them.
    public var kind: UInt32
  }
  /// One task that had not ended.
  public struct Task: Equatable, Sendable {
    /// Its identifier on its CPU.
    public var identifier: UInt32
    /// Where it was started.
    public var line: UInt32
    /// How often it became ready.
    public var wakes: UInt32
    /// How often it ran.
    public var runs: UInt32
    /// Its longest run, in ticks.
    public var longestRun: UInt32
    /// Its longest time from ready to run, in ticks.
    public var longestWait: UInt32
    /// Its name, UTF-8.
    public var name: [UInt8]
    /// The file where it was started, UTF-8.
    public var file: [UInt8]
  }
  /// One CPU.
  public struct Processor: Sendable {
    /// Its number.
    public var cpu: UInt16
    /// Records ever written; `records` holds the last of them.
    public var written: UInt64
    /// Runs beyond the stall limit.
    public var stalls: UInt64
    /// The longest of them, in ticks.
    public var longestStall: UInt64
    /// Whose that was.
    public var stalledTask: UInt32
    /// Records, oldest first.
    public var records: [Record] = []
    /// Tasks.
    public var tasks: [Task] = []
    var expectedRecords: UInt32
    var expectedTasks: UInt32
    var isComplete: Bool { records.count == Int(expectedRecords) && tasks.count == Int(expectedTasks) }
  }
  /// Ticks in a microsecond, not 0.
  public private(set) var ticksPerMicrosecond: UInt64 = 1
  /// The CPUs, in the order sent.
  public private(set) var processors: [Processor] = []

  private var expectedProcessors = 0
  private var frames: UInt32 = 0
  private var isEnded = false

  /// Reads a trace: its frames' lines, with or without the marker lines around them.
  public init(_ text: [UInt8]) throws(TraceError) {
    var line = 0
    var current: [UInt8] = []
    for byte in text + [0x0A] {
      guard byte == 0x0A else {
        current.append(byte)
        continue
      }
      line += 1
      if current.last == 0x0D { current.removeLast() }
      // Marker lines begin with a character that base64 does not have.
      if let first = current.first, first != 0x2D { try take(current, line) }
      current = []
    }
    guard isEnded else { throw TraceError(.truncated, line: line) }
  }

  private mutating func take(_ text: [UInt8], _ line: Int) throws(TraceError) {
    guard var fields = TraceFields(base64: text) else { throw TraceError(.base64, line: line) }
    guard fields.checkAndDropChecksum() else { throw TraceError(.checksum, line: line) }
    guard let kind = fields.u8(), let number = fields.u8(), let cpu = fields.u16() else {
      throw TraceError(.malformed, line: line)
    }
    let isStart = kind == TraceFrameKind.start.rawValue
    guard !isEnded, isStart == (frames == 0) else { throw TraceError(.order, line: line) }
    let belongs = processors.last.map { $0.cpu == cpu } ?? false
    switch TraceFrameKind(rawValue: kind) {
    case .start:
      guard number == TraceFrame.version, let rate = fields.u64(), rate > 0 else {
        throw TraceError(.malformed, line: line)
      }
      ticksPerMicrosecond = rate
      expectedProcessors = Int(cpu)
    case .processor:
      guard processors.last?.isComplete ?? true, processors.count < expectedProcessors else {
        throw TraceError(.order, line: line)
      }
      guard let processor = Processor(cpu, &fields) else { throw TraceError(.malformed, line: line) }
      processors.append(processor)
    case .records:
      guard belongs else { throw TraceError(.order, line: line) }
      for _ in 0..<number {
        guard let time = fields.u64(), let task = fields.u32(), let kind = fields.u32() else {
          throw TraceError(.malformed, line: line)
        }
        processors[processors.count - 1].records.append(Record(time: time, task: task, kind: kind))
      }
    case .task:
      guard belongs else { throw TraceError(.order, line: line) }
      guard let task = Task(&fields) else { throw TraceError(.malformed, line: line) }
      processors[processors.count - 1].tasks.append(task)
    case .end:
      guard let count = fields.u32() else { throw TraceError(.malformed, line: line) }
      guard count == frames, processors.count == expectedProcessors, processors.last?.isComplete ?? true
      else {
        throw TraceError(.order, line: line)
      }
      isEnded = true
    default: throw TraceError(.malformed, line: line)
    }
    guard fields.isEmpty else { throw TraceError(.malformed, line: line) }
    frames &+= 1
  }
}

extension TraceFile.Processor {
  fileprivate init?(_ cpu: UInt16, _ fields: inout TraceFields) {
    guard let written = fields.u64(), let stalls = fields.u64(), let longest = fields.u64(),
      let stalled = fields.u32(), let records = fields.u32(), let tasks = fields.u32()
    else { return nil }
    self.init(
      cpu: cpu, written: written, stalls: stalls, longestStall: longest, stalledTask: stalled,
      expectedRecords: records, expectedTasks: tasks)
  }
}

extension TraceFile.Task {
  fileprivate init?(_ fields: inout TraceFields) {
    guard let identifier = fields.u32(), let line = fields.u32(), let wakes = fields.u32(),
      let runs = fields.u32(), let longestRun = fields.u32(), let longestWait = fields.u32(),
      let name = fields.text(), let file = fields.text()
    else { return nil }
    self.init(
      identifier: identifier, line: line, wakes: wakes, runs: runs, longestRun: longestRun,
      longestWait: longestWait, name: name, file: file)
  }
}
