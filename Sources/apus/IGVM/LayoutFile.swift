// LayoutFile: reads a board's layout.json; every key is known, every value checked.
import Foundation
import ImageBuilder
import Launch

/// Reads layouts.
struct LayoutFile {
  private let path: String

  /// The layout in `directory`.
  static func read(directory: String) throws(Failure) -> BoardLayout {
    let path = directory + "/layout.json"
    let bytes = try Files.read(path, what: "the layout")
    return try LayoutFile(path: path).decode(bytes)
  }

  private func decode(_ bytes: [UInt8]) throws(Failure) -> BoardLayout {
    guard let parsed = try? JSONSerialization.jsonObject(with: Data(bytes)),
      let root = parsed as? [String: Any]
    else {
      throw Failure("\(path) is not a JSON object", fix: "see boards/README.md for its form")
    }
    try check(
      root, ["board", "platform", "start", "encryptionBit", "sevFeatures", "range", "areas"], "the layout")
    let platformName = try string(root, "platform")
    guard let platform = PlatformName.type(platformName) else {
      throw Failure("\(path): there is no platform \(platformName)", fix: "write native, snp or tdx")
    }
    let modes: [String: BoardLayout.StartMode] = [
      "long64": .long64, "protected32": .protected32, "pvh": .pvh,
    ]
    let modeName = try string(root, "start")
    guard let mode = modes[modeName] else {
      throw Failure("\(path): there is no start mode \(modeName)", fix: "write long64, protected32 or pvh")
    }
    let range = try object(root, "range")
    try check(range, ["gpa", "fixed", "perProcessor", "perGuestPage"], "range")
    var layout = BoardLayout(
      name: try string(root, "board"), platform: platform, start: mode, rangeStart: try number(range, "gpa"))
    layout.fixedByteCount = try number(range, "fixed")
    layout.byteCountPerProcessor = try number(range, "perProcessor")
    layout.byteCountPerGuestPage = try number(range, "perGuestPage")
    if root["sevFeatures"] != nil { layout.sevFeatures = try number(root, "sevFeatures") }
    if root["encryptionBit"] != nil {
      let bit = try number(root, "encryptionBit")
      guard (12...51).contains(bit) else {
        throw Failure(
          "\(path): encryptionBit \(bit) is no page-table bit", fix: "write 12 to 51, or leave it out")
      }
      layout.encryptionBit = Int(bit)
    }
    layout.areas = try areas(try object(root, "areas"))
    return layout
  }

  private func areas(_ areas: [String: Any]) throws(Failure) -> [BoardLayout.Area] {
    let kinds: [AreaKind] = [
      .stack, .pageTables, .cpuid, .secrets, .parameters, .memoryMap, .madt, .deviceTree, .mailbox,
      .launchInformation,
    ]
    var found: [BoardLayout.Area] = []
    try check(areas, kinds.map { "\($0.name)" }, "areas")
    for kind in kinds where areas["\(kind.name)"] != nil {
      let area = try object(areas, "\(kind.name)")
      try check(area, ["gpa", "size"], "area \(kind.name)")
      let size = try number(area, "size")
      guard size > 0, size % 4096 == 0, size <= 16 << 20 else {
        throw Failure(
          "\(path): area \(kind.name) has \(size) bytes", fix: "write a multiple of 4096 up to 16 MiB")
      }
      found.append(.init(kind, gpa: try number(area, "gpa"), byteCount: size))
    }
    return found.sorted { $0.gpa < $1.gpa }
  }

  private func check(_ object: [String: Any], _ known: [String], _ what: String) throws(Failure) {
    for key in object.keys.sorted() where !known.contains(key) {
      throw Failure("\(path): \(what) has no key \(key)", fix: "known are \(known.joined(separator: ", "))")
    }
  }

  private func object(_ parent: [String: Any], _ key: String) throws(Failure) -> [String: Any] {
    guard let value = parent[key] as? [String: Any] else {
      throw Failure("\(path): \(key) is missing or not an object", fix: "see boards/README.md for its form")
    }
    return value
  }

  private func string(_ parent: [String: Any], _ key: String) throws(Failure) -> String {
    guard let value = parent[key] as? String else {
      throw Failure("\(path): \(key) is missing or not a string", fix: "see boards/README.md for its form")
    }
    return value
  }

  /// A number, or a string that is one: hexadecimal addresses and sizes with units are strings in JSON.
  private func number(_ parent: [String: Any], _ key: String) throws(Failure) -> UInt64 {
    let value: UInt64?
    switch parent[key] {
    case let text as String: value = Number.parse(text, isSize: true)
    case let number as NSNumber: value = number.int64Value >= 0 ? number.uint64Value : nil
    default: value = nil
    }
    guard let value else {
      throw Failure("\(path): \(key) is missing or not a number", fix: "write 4096, \"0x1000\" or \"4 KiB\"")
    }
    return value
  }
}
