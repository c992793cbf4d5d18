// SourceFile: a file to be linted, and its code without comments and strings.

/// A breach of a rule at a place.
public struct Violation: Equatable, CustomStringConvertible {
  /// The rule's short name.
  public var rule: String
  /// The file's path from the package's root.
  public var path: String
  /// The line, from 1.
  public var line: Int
  /// What is wrong.
  public var message: String

  /// A breach of `rule` at `path`:`line`.
  public init(_ rule: String, _ path: String, _ line: Int, _ message: String) {
    self.rule = rule
    self.path = path
    self.line = line
    self.message = message
  }

  /// The usual form, which editors follow.
  public var description: String { "\(path):\(line): [\(rule)] \(message)" }
}

/// A file by its path from the package's root and its text.
public struct SourceFile {
  /// The path from the package's root.
  public let path: String
  /// The text's lines.
  public let lines: [String]
  /// The same lines without comments and with empty strings; a string's interpolations stay.
  public let code: [String]

  /// The file at `path` with this text.
  public init(path: String, text: String) {
    self.path = path
    lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    code = path.hasSuffix(".swift") ? SwiftCode.strip(text) : lines
  }

  /// What follows the last dot, or nothing.
  public var suffix: String {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: ".") else { return "" }
    return String(name[name.index(after: dot)...])
  }

  /// Whether the file is under a folder.
  public func isUnder(_ folder: String) -> Bool { path.hasPrefix(folder + "/") }

  /// The room: the folder under Sources (two for Services and Platforms), or the first folder.
  public var room: String {
    let parts = path.split(separator: "/").map(String.init)
    guard parts.count > 1 else { return "" }
    guard parts[0] == "Sources" else { return parts[0] }
    return ["Services", "Platforms"].contains(parts[1]) && parts.count > 2
      ? "\(parts[1])/\(parts[2])" : parts[1]
  }
}

/// Removes what isn't code from Swift text.
enum SwiftCode {
  private enum Mode {
    case code(parentheses: Int)
    case string(hashes: Int, isLong: Bool)
  }

  static func strip(_ text: String) -> [String] {
    let input = Array(text)
    var output = ""
    var modes: [Mode] = [.code(parentheses: 0)]
    var comments = 0
    var at = 0
    func has(_ word: String, at place: Int) -> Bool {
      place + word.count <= input.count && zip(word, input[place...]).allSatisfy { $0 == $1 }
    }
    while at < input.count {
      let character = input[at]
      if character == "\n" {
        output.append("\n")
        at += 1
      } else if comments > 0 {
        let opens = has("/*", at: at)
        let closes = has("*/", at: at)
        comments += opens ? 1 : closes ? -1 : 0
        at += opens || closes ? 2 : 1
      } else if case .string(let hashes, let isLong) = modes.last {
        let quote = (isLong ? "\"\"\"" : "\"") + String(repeating: "#", count: hashes)
        let escape = "\\" + String(repeating: "#", count: hashes)
        if has(quote, at: at) {
          modes.removeLast()
          output.append("\"")
          at += quote.count
        } else if has(escape + "(", at: at) {
          modes.append(.code(parentheses: 1))
          output.append(" ")
          at += escape.count + 1
        } else {
          at += has(escape, at: at) ? escape.count + 1 : 1
        }
      } else if has("//", at: at) {
        while at < input.count, input[at] != "\n" { at += 1 }
      } else if has("/*", at: at) {
        comments = 1
        at += 2
      } else if character == "\"" || character == "#" {
        var hashes = 0
        while at + hashes < input.count, input[at + hashes] == "#" { hashes += 1 }
        if at + hashes < input.count, input[at + hashes] == "\"" {
          let isLong = has("\"\"\"", at: at + hashes)
          modes.append(.string(hashes: hashes, isLong: isLong))
          output.append("\"")
          at += hashes + (isLong ? 3 : 1)
        } else {
          output.append(contentsOf: String(repeating: "#", count: hashes))
          at += hashes
        }
      } else {
        if case .code(let parentheses) = modes.last, modes.count > 1 {
          let left = parentheses + (character == "(" ? 1 : character == ")" ? -1 : 0)
          modes[modes.count - 1] = .code(parentheses: left)
          if left == 0 {
            modes.removeLast()
            at += 1
            continue
          }
        }
        output.append(character)
        at += 1
      }
    }
    return output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  /// The identifiers and keywords of a line of code.
  static func words(_ line: String) -> [Substring] {
    line.split { !($0.isLetter || $0.isNumber || $0 == "_") }
  }
}
