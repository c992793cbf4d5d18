// Vectors: readers of the official vector files that `ci/fetch-vectors` puts into .build/vectors.
import Foundation

enum Vectors {
  struct Missing: Error, CustomStringConvertible {
    let path: String
    var description: String { "\(path) is absent: run ci/fetch-vectors" }
  }

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent(".build/vectors")

  static func text(_ path: String) throws -> String {
    guard let text = try? String(contentsOf: root.appendingPathComponent(path), encoding: .utf8) else {
      throw Missing(path: path)
    }
    return text.replacingOccurrences(of: "\r\n", with: "\n")
  }

  /// The records of a CAVP .rsp file: runs of `NAME = value` lines, with the section they are in.
  static func records(_ path: String) throws -> [(section: String, fields: [String: String])] {
    var records: [(String, [String: String])] = []
    var section = ""
    var fields: [String: String] = [:]
    for line in try (text("cavp/" + path) + "\n\n").components(separatedBy: "\n") {
      let trimmed = line.trimmingCharacters(in: .whitespaces)
      if trimmed.isEmpty {
        if !fields.isEmpty { records.append((section, fields)) }
        fields = [:]
      } else if trimmed.hasPrefix("[") {
        section = trimmed
      } else if let equals = trimmed.firstIndex(of: "="), !trimmed.hasPrefix("#") {
        let name = trimmed[..<equals].trimmingCharacters(in: .whitespaces)
        fields[name] = trimmed[trimmed.index(after: equals)...].trimmingCharacters(in: .whitespaces)
      }
    }
    return records
  }

  struct Group {
    let fields: [String: Any]
    let tests: [[String: Any]]
    func bytes(_ key: String, _ inner: String) -> [UInt8] {
      CryptoTests.bytes((fields[key] as? [String: Any])?[inner] as? String ?? "")
    }
  }

  /// The groups of a Wycheproof file.
  static func wycheproof(_ name: String) throws -> [Group] {
    let path = "wycheproof/\(name)_test.json"
    guard let data = try? Data(contentsOf: root.appendingPathComponent(path)),
      let top = try JSONSerialization.jsonObject(with: data) as? [String: Any],
      let groups = top["testGroups"] as? [[String: Any]]
    else { throw Missing(path: path) }
    return groups.map { Group(fields: $0, tests: $0["tests"] as? [[String: Any]] ?? []) }
  }
}

extension Dictionary<String, Any> {
  func bytes(_ key: String) -> [UInt8] { CryptoTests.bytes(self[key] as? String ?? "") }
  func text(_ key: String) -> String { self[key] as? String ?? "" }
  func number(_ key: String) -> Int { self[key] as? Int ?? 0 }
}

/// Without leading zero bytes.
func stripped(_ bytes: [UInt8]) -> [UInt8] { Array(bytes.drop { $0 == 0 }) }

/// Left-padded with zeros to `count`; nil if longer.
func padded(_ bytes: [UInt8], _ count: Int) -> [UInt8]? {
  let bare = stripped(bytes)
  guard bare.count <= count else { return nil }
  return [UInt8](repeating: 0, count: count - bare.count) + bare
}

/// The two integers of a strictly DER-encoded ECDSA signature.
func strictDER(_ bytes: [UInt8]) -> (r: [UInt8], s: [UInt8])? {
  var rest = bytes[...]
  func length() -> Int? {
    guard let first = rest.popFirst() else { return nil }
    if first < 0x80 { return Int(first) }
    guard first == 0x81, let second = rest.popFirst(), second >= 0x80 else { return nil }
    return Int(second)
  }
  func integer() -> [UInt8]? {
    guard rest.popFirst() == 2, let count = length(), count > 0, rest.count >= count else { return nil }
    let value = Array(rest.prefix(count))
    rest = rest.dropFirst(count)
    if value[0] & 0x80 != 0 { return nil }
    if value.count > 1 && value[0] == 0 && value[1] & 0x80 == 0 { return nil }
    return value
  }
  guard rest.popFirst() == 0x30, let count = length(), rest.count == count, let r = integer(),
    let s = integer(),
    rest.isEmpty
  else { return nil }
  return (r, s)
}
