// TraceReport: what the CPUs have recorded about their tasks, sent after the measurement.
import Seams
import TaskRuntime
import Tasks
import TraceFormat

extension Kernel {
  // Tasks that are described, for each CPU: more than a board starts.
  private static var taskLimit: Int { 256 }

  // CPUs that ever had an executor.
  private var tracedProcessors: Range<Int> { 0..<max(1, processors.count) }

  private func summary(_ cpu: Int) -> TraceSummary? {
    guard online.contains(CPUIndex(UInt32(truncatingIfNeeded: cpu))) else { return nil }
    return Executor.traceSummary(of: cpu, in: machine.ownerTable)
  }

  /// One line for each CPU that had a run beyond the limit (100 µs unless `stall=` says otherwise): whose it was.
  func reportStalls() {
    let console = platform.console
    for cpu in tracedProcessors {
      guard let summary = summary(cpu), summary.stalls > 0 else { continue }
      console.write("stall: cpu ")
      console.write(decimal: UInt64(cpu))
      console.write(" task ")
      console.write(decimal: UInt64(summary.stalledTask))
      console.write(" (")
      summary.stalledLabel.forEachNameByte { console.write($0) }
      console.write(") of ")
      summary.stalledLabel.forEachFileByte { console.write($0) }
      console.write(":")
      console.write(decimal: UInt64(summary.stalledLabel.line))
      console.write(" ran ")
      write(ticks: summary.longestStall)
      console.write("; limit ")
      write(ticks: summary.stallLimit)
      console.write(", runs beyond it ")
      console.write(decimal: summary.stalls)
      console.endLine()
    }
  }

  private func write(ticks: UInt64) {
    let console = platform.console
    console.write(decimal: ticks / max(1, ThisCPU.ticksPerMicrosecond))
    console.write(" us (")
    console.write(decimal: ticks)
    console.write(" ticks)")
  }

  /// Sends every CPU's ring and its tasks, framed.
  ///
  /// The other CPUs rest: this one has read their owner words with acquire, so that all they wrote before is seen. One that
  /// a timer wakes meanwhile garbles at most its own records; nothing read here is ever unmapped.
  func dumpTrace() {
    let dump = TraceDump(console: platform.console)
    dump.console.write(TraceFrame.begin)
    dump.console.endLine()
    var count = UInt16(0)
    for cpu in tracedProcessors where summary(cpu) != nil { count &+= 1 }
    var start = TraceFrame(.start, number: TraceFrame.version, cpu: count)
    start.append64(max(1, ThisCPU.ticksPerMicrosecond))
    dump.send(start)
    var sent = UInt32(1)
    for cpu in tracedProcessors {
      guard let summary = summary(cpu) else { continue }
      sent &+= dump.send(cpu: cpu, summary, machine.ownerTable, taskLimit: Self.taskLimit)
    }
    var end = TraceFrame(.end)
    end.append32(sent)
    dump.send(end)
    dump.console.write(TraceFrame.end)
    dump.console.endLine()
  }
}

/// Frames on a console.
struct TraceDump<Output: Console> {
  let console: Output

  func send(_ frame: borrowing TraceFrame) {
    frame.write { console.write($0) }
    console.endLine()
  }

  /// Sends one CPU; returns how many frames that took.
  func send(cpu: Int, _ summary: TraceSummary, _ table: OwnerTable, taskLimit: Int) -> UInt32 {
    let number = UInt16(truncatingIfNeeded: cpu)
    let records = Int(min(summary.written, UInt64(TraceRecord.capacity)))
    var tasks = UInt32(0)
    Executor.forEachTask(of: cpu, in: table, limit: taskLimit) { _ in tasks &+= 1 }
    var head = TraceFrame(.processor, cpu: number)
    head.append64(summary.written)
    head.append64(summary.stalls)
    head.append64(summary.longestStall)
    head.append32(summary.stalledTask)
    head.append32(UInt32(truncatingIfNeeded: records))
    head.append32(tasks)
    send(head)
    var frames = UInt32(1)
    var left = records
    var room = min(left, TraceFrame.recordLimit)
    var frame = TraceFrame(.records, number: UInt8(truncatingIfNeeded: room), cpu: number)
    Executor.forEachRecord(of: cpu, in: table, last: records) { record in
      guard room > 0 else { return }
      frame.append64(record.time)
      frame.append32(record.task)
      frame.append32(record.kind)
      room &-= 1
      left &-= 1
      guard room == 0 else { return }
      send(frame)
      frames &+= 1
      room = min(left, TraceFrame.recordLimit)
      frame = TraceFrame(.records, number: UInt8(truncatingIfNeeded: room), cpu: number)
    }
    Executor.forEachTask(of: cpu, in: table, limit: Int(tasks)) { task in
      send(Self.frame(task, number))
      frames &+= 1
    }
    return frames
  }

  private static func frame(_ task: TaskRef, _ cpu: UInt16) -> TraceFrame {
    var frame = TraceFrame(.task, cpu: cpu)
    frame.append32(task.identifier)
    frame.append32(task.line)
    frame.append32(task.wakes)
    frame.append32(task.runs)
    frame.append32(task.longestRun)
    frame.append32(task.longestWait)
    var length = UInt8(0)
    task.forEachNameByte { _ in length &+= 1 }
    frame.append(length)
    task.forEachNameByte { frame.append($0) }
    length = 0
    task.forEachFileByte { _ in length &+= 1 }
    frame.append(length)
    task.forEachFileByte { frame.append($0) }
    return frame
  }
}
