// Arguments: the words of a command line, sorted into options and operands.

/// An option that a command takes.
struct CommandOption: Sendable {
  /// The long name with its dashes.
  let name: String
  /// The one-letter name with its dash, if any.
  var short: String?
  /// What its value is called; nil = it takes none.
  var value: String?
  /// One line on what it does.
  let help: String
  /// Whether it may be given more than once.
  var repeats = false

  /// An option, with the name of its value if it takes one.
  init(_ name: String, short: String? = nil, value: String? = nil, repeats: Bool = false, _ help: String) {
    self.name = name
    self.repeats = repeats
    self.short = short
    self.value = value
    self.help = help
  }

  /// As it is shown in help.
  var heading: String { (short.map { "\($0), " } ?? "") + name + (value.map { " \($0)" } ?? "") }
}

/// A parsed command line.
struct Arguments {
  /// The words that belong to no option.
  let operands: [String]
  private let values: [String: [String]]
  private let flags: Set<String>

  /// Sorts `words` by the options known; each may be given once unless it repeats.
  init(_ words: [String], options: [CommandOption]) throws(Failure) {
    var operands: [String] = []
    var values: [String: [String]] = [:]
    var flags: Set<String> = []
    var index = 0
    var onlyOperands = false
    while index < words.count {
      let word = words[index]
      index += 1
      if onlyOperands || !word.hasPrefix("-") || word == "-" {
        operands.append(word)
        continue
      }
      if word == "--" {
        onlyOperands = true
        continue
      }
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard let option = options.first(where: { $0.name == parts[0] || $0.short == parts[0] }) else {
        throw Failure("there is no option \(parts[0])", fix: "--help lists the options")
      }
      guard option.repeats || values[option.name] == nil, !flags.contains(option.name) else {
        throw Failure("\(option.name) is given twice", fix: "give it once")
      }
      guard let value = option.value else {
        guard parts.count == 1 else { throw Failure("\(option.name) takes no value", fix: "leave it out") }
        flags.insert(option.name)
        continue
      }
      if parts.count == 2 {
        values[option.name, default: []].append(parts[1])
      } else if index < words.count {
        values[option.name, default: []].append(words[index])
        index += 1
      } else {
        throw Failure("\(option.name) has no value", fix: "give it a \(value)")
      }
    }
    self.operands = operands
    self.values = values
    self.flags = flags
  }

  /// Whether an option without a value is given.
  func has(_ name: String) -> Bool { flags.contains(name) }

  /// The value of an option.
  subscript(_ name: String) -> String? { values[name]?.first }

  /// The values of an option that may be given more than once.
  func all(_ name: String) -> [String] { values[name] ?? [] }

  /// The one operand that the command wants.
  func operand(_ what: String) throws(Failure) -> String {
    guard operands.count == 1 else {
      throw Failure(
        operands.isEmpty ? "no \(what) is given" : "\(operands.count) operands are given, one is wanted",
        fix: "name one \(what)")
    }
    return operands[0]
  }

  /// The value of an option as a number: decimal, 0x hexadecimal, or with K, M, G (powers of 1024) if `isSize`.
  func number(_ name: String, isSize: Bool = false, limit: UInt64 = .max) throws(Failure) -> UInt64? {
    guard let text = self[name] else { return nil }
    guard let number = Number.parse(text, isSize: isSize), number <= limit else {
      throw Failure(
        "\(name) \(text) is not a number up to \(limit)",
        fix: isSize ? "write 4096, 0x1000, 64K, 16M, 1G or 1T" : "write 123 or 0x7B")
    }
    return number
  }
}

/// Numbers as people write them.
enum Number {
  /// Decimal, or hexadecimal after 0x; if `isSize`, K, M or G (with or without iB) multiply by 1024 once, twice, thrice.
  static func parse(_ text: String, isSize: Bool = false) -> UInt64? {
    var digits = text.filter { $0 != "_" && $0 != " " }
    var shift: UInt64 = 0
    if isSize {
      if digits.hasSuffix("iB") { digits.removeLast(2) }
      for (letter, amount) in [("K", 10), ("M", 20), ("G", 30), ("T", 40)] as [(Character, UInt64)]
      where digits.last == letter {
        digits.removeLast()
        shift = amount
        break
      }
    }
    let isHex = digits.hasPrefix("0x") || digits.hasPrefix("0X")
    let body = isHex ? String(digits.dropFirst(2)) : digits
    guard !body.hasPrefix("+"), !body.hasPrefix("-"), let value = UInt64(body, radix: isHex ? 16 : 10) else {
      return nil
    }
    let (product, overflow) = value.multipliedReportingOverflow(by: 1 << shift)
    return overflow ? nil : product
  }

  /// `value` as addresses are written.
  static func hex(_ value: UInt64, width: Int = 0) -> String {
    let digits = String(value, radix: 16, uppercase: true)
    return "0x" + String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  /// Bytes as lower-case hexadecimal digits.
  static func hex<S: Sequence<UInt8>>(bytes: S) -> String {
    var text = ""
    for byte in bytes {
      let digits = String(byte, radix: 16)
      text += digits.count == 1 ? "0" + digits : digits
    }
    return text
  }

  /// A size in the largest unit that divides it.
  static func size(_ bytes: UInt64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] as [(String, UInt64)] {
      if bytes >= 1 << shift, bytes % (1 << shift) == 0 { return "\(bytes >> shift) \(unit)" }
    }
    return "\(bytes) B"
  }
}
