// TraceTimeline: a trace as Chrome's trace-event JSON, which Perfetto opens.

/// Writes a timeline: the machine is a process, each CPU a thread of it, each run of a task a duration.
///
/// Source: "Trace Event Format" (Chrome): complete events `X`, instants `i`, metadata `M`; times in microseconds.
public struct TraceTimeline {
  /// The JSON text, UTF-8.
  public private(set) var json: [UInt8] = []
  private let file: TraceFile
  private var origin: UInt64 = .max
  private var isFirst = true

  /// The timeline of `file`; its zero is the earliest record.
  public init(_ file: TraceFile) {
    self.file = file
    for processor in file.processors {
      for record in processor.records { origin = min(origin, record.time) }
    }
    add("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")
    event("M", "process_name", cpu: nil)
    add(",\"args\":{\"name\":\"Apus\"}}")
    for processor in file.processors { append(processor) }
    add("\n]}\n")
  }

  private mutating func append(_ processor: TraceFile.Processor) {
    event("M", "thread_name", cpu: processor.cpu)
    add(",\"args\":{\"name\":\"CPU ")
    add(UInt64(processor.cpu))
    add("\"}}")
    var begun: TraceFile.Record?
    for record in processor.records {
      switch record.kind & 0xFF {
      case 3: begun = record
      case 4:
        // A run whose beginning the ring has lost is not shown.
        guard let start = begun, start.task == record.task, start.time <= record.time else { continue }
        begun = nil
        event("X", name(record.task, processor), cpu: processor.cpu, at: start.time)
        add(",\"dur\":")
        microseconds(record.time - start.time)
        task(record.task)
      case 1: instant("spawn", record, processor)
      case 2: instant("ready", record, processor)
      case 5: instant("suspend", record, processor)
      case 6: instant("end", record, processor)
      case 7:
        event("i", "idle", cpu: processor.cpu, at: record.time)
        add(",\"s\":\"t\"}")
      default: instant("unknown", record, processor)
      }
    }
    if let begun {
      // The run that had not ended when the trace was sent.
      event("B", name(begun.task, processor), cpu: processor.cpu, at: begun.time)
      task(begun.task)
    }
    for entry in processor.tasks { statistics(entry, processor) }
    if processor.stalls > 0 {
      event("M", "apus_stalls", cpu: processor.cpu)
      add(",\"args\":{\"stalls\":")
      add(processor.stalls)
      add(",\"longest_us\":")
      microseconds(processor.longestStall)
      add(",\"task\":\"")
      quoted(name(processor.stalledTask, processor))
      add("\"}}")
    }
  }

  private mutating func instant(_ what: String, _ record: TraceFile.Record, _ processor: TraceFile.Processor)
  {
    event("i", Array((what + " ").utf8) + name(record.task, processor), cpu: processor.cpu, at: record.time)
    add(",\"s\":\"t\"")
    task(record.task)
  }

  private mutating func task(_ identifier: UInt32) {
    add(",\"args\":{\"task\":")
    add(UInt64(identifier))
    add("}}")
  }

  private mutating func statistics(_ task: TraceFile.Task, _ processor: TraceFile.Processor) {
    event("M", "apus_task", cpu: processor.cpu)
    add(",\"args\":{\"name\":\"")
    quoted(task.name)
    add("\",\"identifier\":")
    add(UInt64(task.identifier))
    add(",\"file\":\"")
    quoted(task.file)
    add("\",\"line\":")
    add(UInt64(task.line))
    add(",\"wakes\":")
    add(UInt64(task.wakes))
    add(",\"runs\":")
    add(UInt64(task.runs))
    add(",\"longest_run_us\":")
    microseconds(UInt64(task.longestRun))
    add(",\"longest_wait_us\":")
    microseconds(UInt64(task.longestWait))
    add("}}")
  }

  private func name(_ identifier: UInt32, _ processor: TraceFile.Processor) -> [UInt8] {
    for task in processor.tasks where task.identifier == identifier && !task.name.isEmpty { return task.name }
    return Array("task ".utf8) + Self.digits(UInt64(identifier))
  }

  private mutating func event(_ phase: String, _ name: String, cpu: UInt16?, at time: UInt64? = nil) {
    event(phase, Array(name.utf8), cpu: cpu, at: time)
  }

  private mutating func event(_ phase: String, _ name: [UInt8], cpu: UInt16?, at time: UInt64? = nil) {
    add(isFirst ? "\n" : ",\n")
    isFirst = false
    add("{\"ph\":\"")
    add(phase)
    add("\",\"name\":\"")
    quoted(name)
    add("\",\"pid\":1")
    if let cpu {
      add(",\"tid\":")
      add(UInt64(cpu))
    }
    if let time {
      add(",\"ts\":")
      microseconds(time - min(time, origin))
    }
  }

  private mutating func microseconds(_ ticks: UInt64) {
    let rate = file.ticksPerMicrosecond
    add(ticks / rate)
    // The fraction in thousandths; a rate beyond 2^54 ticks would be no clock.
    let (product, overflow) = (ticks % rate).multipliedReportingOverflow(by: 1000)
    let fraction = Self.digits(overflow ? 0 : product / rate)
    add(".")
    for _ in fraction.count..<3 { json.append(0x30) }
    json += fraction
  }

  private mutating func add(_ text: String) { json += Array(text.utf8) }
  private mutating func add(_ number: UInt64) { json += Self.digits(number) }

  // What JSON can't hold as it is, and whatever is not ASCII, is shown as "?".
  private mutating func quoted(_ text: [UInt8]) {
    for byte in text { json.append(byte < 0x20 || byte > 0x7E || byte == 0x22 || byte == 0x5C ? 0x3F : byte) }
  }

  private static func digits(_ number: UInt64) -> [UInt8] {
    var digits: [UInt8] = []
    var rest = number
    repeat {
      digits.append(UInt8(rest % 10) + 0x30)
      rest /= 10
    } while rest != 0
    return digits.reversed()
  }
}
