// LanguageRules: where `unsafe`, C and heavy library types may stand.

/// Rules about what code may use, by room.
public enum LanguageRules {
  /// The rooms that may contain `unsafe` and C.
  public static let unsafeRooms = ["Machine", "Boot", "Concurrency", "AsyncEntry", "MonitorMachine"]
  /// Rooms under Sources that never run in a kernel.
  public static let hostedRooms = ["apus", "BenchReport", "SimMachine"] + hostTools
  /// Linux programs that are part of no image: a socket address is reached by pointer there.
  static let hostTools = ["TPMServer"]
  private static let heavyTypes = ["Double", "Float", "Float16", "Float80", "Dictionary", "Set"]

  /// All violations of the language rules.
  public static func check(_ file: SourceFile) -> [Violation] {
    unsafeOnlyInItsRooms(file) + cOnlyInItsRooms(file) + kernelTypes(file) + tasksBySpawn(file)
  }

  /// How many times a file says `unsafe`.
  public static func unsafeCount(_ file: SourceFile) -> Int {
    file.suffix == "swift" ? file.code.reduce(0) { $0 + unsafeWords($1).count } : 0
  }

  private static func unsafeWords(_ line: String) -> [Substring] {
    SwiftCode.words(line).filter { $0 == "unsafe" || ($0.hasPrefix("Unsafe") && $0.contains("Pointer")) }
  }

  /// unsafe-only-in-machine: no `unsafe` outside its rooms.
  static func unsafeOnlyInItsRooms(_ file: SourceFile) -> [Violation] {
    guard file.suffix == "swift", file.isUnder("Sources") || file.isUnder("boards"),
      !unsafeRooms.contains(file.room), !hostTools.contains(file.room)
    else { return [] }
    return file.code.enumerated().compactMap { number, line in
      unsafeWords(line).first.map {
        Violation(
          "unsafe-only-in-machine", file.path, number + 1,
          "`\($0)` outside \(unsafeRooms.joined(separator: ", "))")
      }
    }
  }

  /// c-only-in-machine: C and assembly only where `unsafe` may be, in the sim's host, and in hosted builds' functions of
  /// values, which Swift calls without `unsafe`.
  static func cOnlyInItsRooms(_ file: SourceFile) -> [Violation] {
    let isAllowed =
      unsafeRooms.contains(file.room) || file.room == "CryptoInstructions" || file.isUnder("boards/sim")
      || file.isUnder("ci") || file.isUnder("Tests")
    guard ["c", "h", "S", "s"].contains(file.suffix), !isAllowed else { return [] }
    return [Violation("c-only-in-machine", file.path, 1, "C or assembly outside its rooms")]
  }

  /// kernel-types: no floating point, hashing collections or string comparison in rooms that kernels contain.
  static func kernelTypes(_ file: SourceFile) -> [Violation] {
    guard file.suffix == "swift", file.isUnder("Sources") || file.isUnder("boards"),
      !hostedRooms.contains(file.room),
      !file.isUnder("boards/sim")
    else { return [] }
    var found: [Violation] = []
    for (number, line) in file.code.enumerated() {
      if let type = SwiftCode.words(line).first(where: { heavyTypes.contains(String($0)) }) {
        found.append(Violation("kernel-types", file.path, number + 1, "`\(type)` in a kernel room"))
      }
      if line.contains("== \"") || line.contains("\" ==") || line.contains("!= \"") || line.contains("\" !=")
      {
        found.append(
          Violation("kernel-types", file.path, number + 1, "a comparison of strings in a kernel room"))
      }
      if line.contains(#/[:=(] *\[[A-Z][A-Za-z0-9.]* ?: [A-Z][A-Za-z0-9.?]*\]/#) {
        found.append(Violation("kernel-types", file.path, number + 1, "a dictionary in a kernel room"))
      }
    }
    return found
  }

  /// tasks-by-spawn: kernel rooms start tasks with `spawn`, which throws.
  ///
  /// `Task {}` and a group's `addTask` can't, and end the machine when there is no memory. Not held to it: a format's record named `Task`, and the suite that measures `Task`.
  static func tasksBySpawn(_ file: SourceFile) -> [Violation] {
    guard file.suffix == "swift", file.isUnder("Sources") || file.isUnder("boards"),
      !hostedRooms.contains(file.room), file.room != "Concurrency", !file.isUnder("boards/sim"),
      !file.isUnder("boards/oracle"), file.room != "TraceFormat", file.room != "Services/TaskLatency"
    else { return [] }
    return file.code.enumerated().compactMap { number, line in
      line.contains(#/\bTask(<[^>]*>)? *[({]|\bTask\.detached\b|\.addTask\b/#)
        ? Violation("tasks-by-spawn", file.path, number + 1, "starts a task otherwise than by `spawn`") : nil
    }
  }
}
