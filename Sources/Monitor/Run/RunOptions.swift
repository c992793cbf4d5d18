// RunOptions: the monitor's command line.

import SNP

/// What one run of the monitor is to do, as the words after the kernel's name say.
///
/// `snp|tdx [memory=M] [cbit=47|51] [apic-ids=N,N,…] [shared] [xapic] [seed=N] [hostile=NAME] [limit=SECONDS] [l2=N]
/// [absent=N] [late=N] [start-seed=N] [drop-interrupts] [strict] [count-breaches] [verbose]
/// [measure-floor]`; words of the guest follow after `--`.
public struct RunOptions: Equatable, Sendable {
  /// The architecture that the guest finds.
  public enum Personality: UInt8, Sendable {
    /// SEV-SNP.
    case snp
    /// TDX module 1.5.
    case tdx
  }

  /// The architecture.
  public var personality: Personality
  /// Guest memory in megabytes; nil = what is there.
  public var memory: UInt64?
  /// The number of the C-bit or shared bit.
  public var markBit: UInt8 = 47
  /// APIC identifiers, one per vCPU; empty = 0, 1, 2 and so on.
  public var apicIDs: [UInt32] = []
  /// Whether memory is handed over shared (environment bit 0), as QEMU does, not private.
  public var isMemoryShared = false
  /// Whether vCPUs start in xAPIC mode.
  public var isXAPIC = false
  /// The seed of keys and of `random` scripts.
  public var seed: UInt64 = 1
  /// The script that the host plays.
  public var hostile: HostileScript?
  /// How long a run under attack lasts at most, seconds.
  public var hostileSeconds: UInt64 = 20
  /// How many L2 virtual machines a TD has.
  public var l2Count = 1
  /// When a TD's vCPUs are let in.
  public var schedule = TDXSchedule()
  /// Whether relaxed table walks and fetches count as violations (svm-monitor.md §2, rule b).
  public var isStrict = false
  /// Whether breaches are counted only, and do not end the run.
  public var countsBreaches = false
  /// Whether the first CPUID of a TD is used to measure exits that nobody deals with.
  public var measuresFloor = false
  /// Whether the monitor says what it did before the guest started.
  public var isVerbose = false
  /// Where the guest's own words begin in the command line; nil = none.
  public var guestWords: Int?

  /// The most vCPUs.
  public static let maximumCPUs = 64

  /// Reads a command line; unknown or malformed words are refused, never skipped.
  public init(_ line: borrowing Span<UInt8>) throws(Refusal) {
    var words = WordReader(limit: line.count)
    guard let first = words.next(line) else {
      throw Refusal("command line", "names no platform: snp or tdx")
    }
    personality = try Self.personality(first, line)
    while let word = words.next(line) {
      if word.matches("--", line) {
        guestWords = word.end
        break
      }
      try take(word, line)
    }
    if markBit != 47, markBit != 51 { throw Refusal("cbit", "must be 47 or 51, not", hex: UInt64(markBit)) }
  }

  private static func personality(
    _ word: Word, _ line: borrowing Span<UInt8>
  ) throws(Refusal) -> Personality {
    if word.matches("snp", line) { return .snp }
    if word.matches("tdx", line) { return .tdx }
    throw Refusal("platform", "unknown, use snp or tdx, not", word: line.extracting(word.range))
  }

  private mutating func take(_ word: Word, _ line: borrowing Span<UInt8>) throws(Refusal) {
    if word.matches("shared", line) {
      isMemoryShared = true
    } else if word.matches("xapic", line) {
      isXAPIC = true
    } else if word.matches("strict", line) {
      isStrict = true
    } else if word.matches("count-breaches", line) {
      countsBreaches = true
    } else if word.matches("measure-floor", line) {
      measuresFloor = true
    } else if word.matches("verbose", line) {
      isVerbose = true
    } else if let value = word.value(of: "limit", line) {
      hostileSeconds = try value.number("limit", 1, 3600, line)
    } else if word.matches("drop-interrupts", line) {
      schedule.dropsInterrupts = true
    } else if let value = word.value(of: "absent", line) {
      schedule.absent = Int(truncatingIfNeeded: try value.number("absent", 0, 1023, line))
    } else if let value = word.value(of: "late", line) {
      schedule.late = Int(truncatingIfNeeded: try value.number("late", 0, 1023, line))
    } else if let value = word.value(of: "start-seed", line) {
      schedule.seed = try value.number("start-seed", 0, .max, line)
    } else if let value = word.value(of: "l2", line) {
      l2Count = Int(truncatingIfNeeded: try value.number("l2", 0, 3, line))
    } else if let value = word.value(of: "memory", line) {
      memory = try value.number("memory", 8, 65536, line)
    } else if let value = word.value(of: "cbit", line) {
      markBit = UInt8(truncatingIfNeeded: try value.number("cbit", 0, 63, line))
    } else if let value = word.value(of: "seed", line) {
      seed = try value.number("seed", 0, .max, line)
    } else if let value = word.value(of: "apic-ids", line) {
      apicIDs = try Self.list(value, line)
    } else if let value = word.value(of: "hostile", line) {
      guard let script = HostileScript.all.first(where: { value.matches($0.name, line) }) else {
        throw Refusal("hostile", "there is no script", word: line.extracting(value.range))
      }
      hostile = script
    } else {
      throw Refusal("command line", "has an unknown word", word: line.extracting(word.range))
    }
  }

  private static func list(_ value: Word, _ line: borrowing Span<UInt8>) throws(Refusal) -> [UInt32] {
    var list: [UInt32] = []
    var start = value.start
    while start <= value.end {
      var end = start
      while end < value.end, line[end] != 0x2C { end &+= 1 }
      let id = UInt32(
        truncatingIfNeeded: try Word(start: start, end: end).number("apic-ids", 0, 0xFFFF_FFFE, line))
      guard !list.contains(id) else {
        throw Refusal("apic-ids", "names an identifier twice:", hex: UInt64(id))
      }
      guard list.count < maximumCPUs else { throw Refusal("apic-ids", "has more than 64 identifiers") }
      list.append(id)
      start = end &+ 1
    }
    return list
  }
}

/// A word of a command line, as a range of its bytes.
struct Word {
  let start: Int
  let end: Int

  var range: Range<Int> { start..<max(start, end) }

  func matches(_ text: String, _ line: borrowing Span<UInt8>) -> Bool {
    let wanted = text.utf8Span.span
    guard wanted.count == end &- start, end <= line.count else { return false }
    for index in wanted.indices where wanted[index] != line[start &+ index] { return false }
    return true
  }

  /// What follows `name=`; nil if the word is another.
  func value(of name: String, _ line: borrowing Span<UInt8>) -> Word? {
    let count = name.utf8Span.span.count
    guard end &- start > count, line[start &+ count] == 0x3D,
      Word(start: start, end: start &+ count).matches(name, line)
    else { return nil }
    return Word(start: start &+ count &+ 1, end: end)
  }

  /// A number in decimal, or in hexadecimal after `0x`.
  func number(
    _ field: String, _ lowest: UInt64, _ highest: UInt64, _ line: borrowing Span<UInt8>
  ) throws(Refusal) -> UInt64 {
    let isHex = end &- start > 2 && line[start] == 0x30 && line[start &+ 1] | 0x20 == 0x78
    let base: UInt64 = isHex ? 16 : 10
    var value: UInt64 = 0
    var isGood = end > start
    for place in (isHex ? start &+ 2 : start)..<max(start, end) {
      guard let digit = Self.digit(line[place]), digit < base else {
        isGood = false
        break
      }
      let (product, tooLarge) = value.multipliedReportingOverflow(by: base)
      let (sum, overflow) = product.addingReportingOverflow(digit)
      if tooLarge || overflow { isGood = false }
      value = sum
    }
    guard isGood, value >= lowest, value <= highest else {
      throw Refusal(field, "is no number in its range:", word: line.extracting(range))
    }
    return value
  }

  private static func digit(_ byte: UInt8) -> UInt64? {
    switch byte {
    case 0x30...0x39: UInt64(byte &- 0x30)
    case 0x41...0x46, 0x61...0x66: UInt64((byte | 0x20) &- 0x57)
    default: nil
    }
  }
}

/// Walks the words between blanks; a zero byte ends the line.
struct WordReader {
  private var place = 0
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  mutating func next(_ line: borrowing Span<UInt8>) -> Word? {
    while place < limit, line[place] == 0x20 { place &+= 1 }
    guard place < limit, line[place] != 0 else { return nil }
    let start = place
    while place < limit, line[place] != 0x20, line[place] != 0 { place &+= 1 }
    return Word(start: start, end: place)
  }
}
