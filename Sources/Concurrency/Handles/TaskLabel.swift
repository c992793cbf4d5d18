// TaskLabel: a task's name and where it was started, which outlive the task.

/// What `spawn` was told of a task: static strings, so it may be kept when the task has ended.
@safe public struct TaskLabel: @unchecked Sendable {
  private let name: UnsafePointer<CChar>?
  private let file: UnsafePointer<CChar>?
  /// The line where the task was started; 0 for a task without a name.
  public let line: UInt32

  /// The label of a task without a name.
  public init() {
    unsafe name = nil
    unsafe file = nil
    line = 0
  }

  /// A label of static strings that end with a NUL.
  @unsafe init(name: UnsafePointer<CChar>, file: UnsafePointer<CChar>?, line: UInt32) {
    unsafe self.name = name
    unsafe self.file = file
    self.line = line
  }

  /// Calls `body` with each byte of the name, at most 64 of them.
  public func forEachNameByte(_ body: (UInt8) -> Void) { unsafe Self.forEachByte(name, body) }

  /// Calls `body` with each byte of the file's name, at most 64 of them.
  public func forEachFileByte(_ body: (UInt8) -> Void) { unsafe Self.forEachByte(file, body) }

  private static func forEachByte(_ text: UnsafePointer<CChar>?, _ body: (UInt8) -> Void) {
    guard let text = unsafe text else { return }
    for index in 0..<64 {
      let byte = unsafe UInt8(bitPattern: text[index])  // static and NUL-terminated
      if byte == 0 { return }
      body(byte)
    }
  }
}
