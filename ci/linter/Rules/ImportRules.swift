// ImportRules: each room imports what the room table allows and its target declares, nothing else.
import Foundation

/// A target as the manifest declares it.
public struct ManifestTarget: Equatable {
  /// The module's name.
  public var name: String
  /// Its folder from the package's root.
  public var path: String
  /// The targets it depends on.
  public var dependencies: Set<String>

  /// A target of the manifest.
  public init(name: String, path: String, dependencies: Set<String>) {
    self.name = name
    self.path = path
    self.dependencies = dependencies
  }

  /// The targets in the output of `swift package dump-package`; nil if it isn't that.
  public static func parse(_ data: Data) -> [ManifestTarget]? {
    guard let package = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
      let targets = package["targets"] as? [[String: Any]]
    else { return nil }
    return targets.compactMap { target in
      guard let name = target["name"] as? String else { return nil }
      let isTest = target["type"] as? String == "test"
      let path = target["path"] as? String ?? (isTest ? "Tests/\(name)" : "Sources/\(name)")
      let dependencies = (target["dependencies"] as? [[String: Any]] ?? []).compactMap {
        ($0["byName"] as? [Any])?.first as? String ?? ($0["target"] as? [Any])?.first as? String
      }
      return ManifestTarget(name: name, path: path, dependencies: Set(dependencies))
    }
  }
}

/// The room table, and the manifest and sources held against it.
public enum ImportRules {
  /// Which rooms a room may import directly; what those may import, it may too.
  ///
  /// A star stands for all siblings.
  public static let table: [String: Set<String>] = [
    "Bits": [],
    "X86": ["Bits"],
    "SNP": ["Bits", "X86"],
    "TDX": ["Bits", "X86"],
    "SVSMProtocol": ["Bits"],
    "IGVM": ["Bits"],
    "Crypto": ["Bits", "CryptoInstructions"],
    "CryptoInstructions": [],
    "Measurement": ["IGVM", "Crypto", "SNP", "TDX"],
    "Launch": ["Bits"],
    "ImageBuilder": ["Bits", "IGVM", "Launch", "Crypto"],
    "TPM": ["Crypto", "Bits"],
    "TraceFormat": ["Bits"],
    "Seams": ["Bits", "X86", "SNP", "TDX", "SVSMProtocol"],
    "Concurrency": ["AsyncEntry"],
    "AsyncEntry": [],
    "TaskRuntime": ["Bits", "Seams", "Concurrency"],
    "Latency": ["TraceFormat"],
    "BenchReport": ["Latency"],
    "Services/RequestLoop": ["TaskRuntime", "Seams", "SVSMProtocol"],
    "Services/GuestScript": ["Services/RequestLoop"],
    "Services/*": [
      "TaskRuntime", "Seams", "SVSMProtocol", "TPM", "Services/RequestLoop", "Services/GuestScript",
      "Latency",
    ],
    "Platforms/*": ["Seams", "SNP", "TDX", "SVSMProtocol", "Crypto", "Launch"],
    "Kernel": ["Seams", "TaskRuntime", "TraceFormat"],
    "Machine": ["X86", "Boot", "Seams", "Concurrency"],
    "Boot": [],
    "SimMachine": ["Model", "Seams"],
    "Model": ["SNP", "TDX", "SVSMProtocol", "IGVM", "Measurement", "Crypto"],
    "Monitor": ["Model", "X86", "SNP", "TDX", "IGVM", "Measurement", "Launch", "Seams"],
    "MonitorMachine": ["Monitor", "MonitorBoot", "Seams"],
    "TPMServer": ["TPM"],
    "apus": [
      "BenchReport", "Latency",
      "Bits", "X86", "SNP", "TDX", "SVSMProtocol", "IGVM", "Crypto", "Measurement", "TPM",
      "Launch", "ImageBuilder", "TraceFormat", "TPMServer",
    ],
  ]
  private static let everywhere: Set<String> = ["Swift", "Builtin", "Synchronization", "_Volatile"]
  private static let hosted: Set<String> = ["Foundation", "Glibc", "Testing", "Dispatch", "_Concurrency"]

  /// What a room may import, indirectly too; nil for a room that the table lacks.
  static func allowed(_ room: String) -> Set<String>? {
    guard let direct = table[room] ?? table[wildcard(room)] else { return nil }
    return direct.reduce(into: direct) { $0.formUnion(allowed($1) ?? []) }
  }

  private static func wildcard(_ room: String) -> String {
    String(room.prefix { $0 != "/" }) + "/*"
  }

  private static func room(of target: ManifestTarget) -> String {
    SourceFile(path: target.path + "/", text: "").room
  }

  /// import-direction, the manifest's half: no target declares a dependency that the table forbids.
  public static func check(manifest targets: [ManifestTarget]) -> [Violation] {
    let rooms = Dictionary(targets.map { ($0.name, room(of: $0)) }, uniquingKeysWith: { first, _ in first })
    var found: [Violation] = []
    for target in targets where target.path.hasPrefix("Sources/") {
      let own = room(of: target)
      guard let allowed = allowed(own) else {
        found.append(
          Violation("import-direction", "Package.swift", 1, "room \(own) is not in the room table"))
        continue
      }
      for dependency in target.dependencies.sorted() {
        let other = rooms[dependency] ?? dependency
        if !allowed.contains(other), other != own {
          found.append(Violation("import-direction", "Package.swift", 1, "\(own) may not depend on \(other)"))
        }
      }
    }
    return found
  }

  /// import-direction, the sources' half: a file imports only what its target declares.
  public static func check(_ file: SourceFile, in targets: [ManifestTarget]) -> [Violation] {
    // Tests/ABI is compiled by its step with the toolchain's own module, not by the package.
    guard file.suffix == "swift", !file.isUnder("Tests/ABI") else { return [] }
    let owners = targets.filter { file.isUnder($0.path) }
    guard let owner = owners.max(by: { $0.path.count < $1.path.count }) else {
      let isExpected = file.isUnder("Sources") || file.isUnder("boards") || file.isUnder("Tests")
      return isExpected ? [Violation("import-direction", file.path, 1, "the file belongs to no target")] : []
    }
    // The manifest is read twice, hosted and bare; a target may have more dependencies in one.
    var declared = targets.filter { $0.name == owner.name }.reduce(into: everywhere) {
      $0.formUnion($1.dependencies)
    }
    let isKernelRoom = file.isUnder("Sources") && !LanguageRules.hostedRooms.contains(file.room)
    if !isKernelRoom { declared.formUnion(hosted) }
    return file.code.enumerated().compactMap { number, line in
      let words = SwiftCode.words(line)
      guard let place = words.firstIndex(of: "import"), words[..<place].allSatisfy({ isModifier($0) }) else {
        return nil
      }
      let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "let", "var", "typealias"]
      guard let module = words[(place + 1)...].first(where: { !kinds.contains($0) }) else { return nil }
      guard !declared.contains(String(module)), module != owner.name else { return nil }
      return Violation(
        "import-direction", file.path, number + 1, "imports \(module), which \(owner.name) doesn't declare")
    }
  }

  private static func isModifier(_ word: Substring) -> Bool {
    [
      "public", "package", "internal", "private", "fileprivate", "testable", "_exported", "unsafe",
      "preconcurrency",
    ]
    .contains(word) || word.hasPrefix("_")
  }
}
