// JSONValue: JSON output with fields in a fixed order, so that the same input gives the same text.

/// A value to be written as JSON (RFC 8259).
enum JSONValue {
  case string(String)
  case number(UInt64)
  case bool(Bool)
  case null
  case array([JSONValue])
  case object([(String, JSONValue)])

  /// The text, two spaces for each level, ended by a newline.
  var text: String {
    var out = ""
    write(to: &out, indent: "")
    return out + "\n"
  }

  private func write(to out: inout String, indent: String) {
    switch self {
    case .string(let value): out += Self.quoted(value)
    case .number(let value): out += String(value)
    case .bool(let value): out += value ? "true" : "false"
    case .null: out += "null"
    case .array(let values):
      Self.list(values.map { (nil, $0) }, "[", "]", &out, indent)
    case .object(let fields):
      Self.list(fields.map { (Self.quoted($0.0), $0.1) }, "{", "}", &out, indent)
    }
  }

  private static func list(
    _ items: [(String?, JSONValue)], _ open: String, _ close: String, _ out: inout String, _ indent: String
  ) {
    guard !items.isEmpty else {
      out += open + close
      return
    }
    let inner = indent + "  "
    out += open
    for (index, item) in items.enumerated() {
      out += index == 0 ? "\n" : ",\n"
      out += inner
      if let name = item.0 { out += name + ": " }
      item.1.write(to: &out, indent: inner)
    }
    out += "\n" + indent + close
  }

  private static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}
