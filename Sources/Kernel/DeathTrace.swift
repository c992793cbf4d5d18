// DeathTrace: the last records of the CPU that dies, in its report.
#if APUS_TRACE_FULL
  import Seams
  import TaskRuntime
  import Tasks

  @_silgen_name("apus_console_put") private func consolePut(_ byte: UInt8)

  private struct DeathConsole: Console {
    func write(_ byte: UInt8) { consolePut(byte) }
  }

  /// Machine's hook: prints the dying CPU's last 16 records, a line each, oldest first.
  @c(apus_print_trace) public func printDeathTrace() {
    guard ThisCPU.hasExecutor else { return }
    let console = DeathConsole()
    Executor.forEachOwnRecord(last: 16) { record in
      console.write("  trace ")
      console.write(decimal: record.time)
      console.write(" ")
      console.write(TraceKind(rawValue: UInt8(truncatingIfNeeded: record.kind))?.name ?? "?")
      if record.task != 0 {
        console.write(" task ")
        console.write(decimal: UInt64(record.task))
        Executor.forEachTask(limit: 256) { task in
          guard task.identifier == record.task else { return }
          console.write(" (")
          task.forEachNameByte { console.write($0) }
          console.write(")")
        }
      }
      console.endLine()
    }
  }
#endif
