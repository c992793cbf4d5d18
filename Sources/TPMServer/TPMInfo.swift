// TPMInfo: what the engine reports of itself, as text.
import TPM

/// The capabilities of a fresh engine.
public enum TPMInfo {
  /// Fixed properties (TPM 2.0 Part 2 §6.13) that are numbers, by their names there.
  static let properties: [(tag: UInt32, name: String)] = [
    (0x10D, "INPUT_BUFFER"), (0x10E, "HR_TRANSIENT_MIN"), (0x10F, "HR_PERSISTENT_MIN"),
    (0x110, "HR_LOADED_MIN"), (0x111, "ACTIVE_SESSIONS_MAX"), (0x112, "PCR_COUNT"),
    (0x117, "NV_INDEX_MAX"), (0x119, "CLOCK_UPDATE"), (0x11E, "MAX_COMMAND_SIZE"),
    (0x11F, "MAX_RESPONSE_SIZE"), (0x120, "MAX_DIGEST"), (0x12C, "NV_BUFFER_MAX"),
    (0x20B, "NV_COUNTERS_AVAIL"),
  ]

  /// Algorithms (TCG Algorithm Registry §6) by their names there.
  static let algorithms: [UInt32: String] = [
    0x01: "RSA", 0x04: "SHA1", 0x05: "HMAC", 0x06: "AES", 0x07: "MGF1", 0x08: "KEYEDHASH", 0x0A: "XOR",
    0x0B: "SHA256", 0x0C: "SHA384", 0x0D: "SHA512", 0x14: "RSASSA", 0x15: "RSAES", 0x16: "RSAPSS",
    0x17: "OAEP",
    0x18: "ECDSA", 0x19: "ECDH", 0x1A: "ECDAA", 0x20: "KDF1_SP800_56A", 0x21: "KDF2", 0x22: "KDF1_SP800_108",
    0x23: "ECC", 0x25: "SYMCIPHER", 0x40: "CTR", 0x41: "OFB", 0x42: "CBC", 0x43: "CFB", 0x44: "ECB",
  ]

  /// Curves (TCG Algorithm Registry §7).
  static let curves: [UInt32: String] = [3: "NIST_P256", 4: "NIST_P384"]

  /// Identity, algorithms, curves, limits and the commands' codes.
  public static func text() -> String {
    let entropy = Entropy.bytes(64)
    var engine = TPMEngine(entropy: entropy.span)
    engine.powerOn(milliseconds: 0)
    _ = engine.execute([0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0], milliseconds: 0)
    func capability(_ kind: UInt32, _ first: UInt32) -> [UInt8] {
      engine.execute(
        [0x80, 1, 0, 0, 0, 22, 0, 0, 1, 0x7A] + big(kind) + big(first) + big(254), milliseconds: 0)
    }
    /// Items of `size` bytes, each by its first `width` bytes as a number.
    func items(_ kind: UInt32, _ first: UInt32, size: Int, width: Int) -> [UInt32] {
      let answer = capability(kind, first)
      return (0..<Int(word(answer, 15))).map { index in
        answer[(19 + size * index)...].prefix(width).reduce(0) { $0 << 8 | UInt32($1) }
      }
    }
    func property(_ tag: UInt32) -> UInt32 {
      let answer = capability(6, tag)
      return word(answer, 19) == tag ? word(answer, 23) : 0
    }
    func letters(_ tags: ClosedRange<UInt32>) -> String {
      String(decoding: tags.flatMap { big(property($0)) }.filter { $0 != 0 }, as: UTF8.self)
    }
    func named(_ ids: [UInt32], _ names: [UInt32: String]) -> String {
      ids.map { names[$0] ?? "0x" + String($0, radix: 16) }.joined(separator: " ")
    }
    func line(_ name: String, _ value: String) -> String {
      name + String(repeating: " ", count: max(1, 22 - name.utf8.count)) + value
    }
    let revision = property(0x102)
    let codes = items(2, 0, size: 4, width: 4).map { "0x" + String($0 & 0xFFFF, radix: 16) }
    return
      ([
        line("family", letters(0x100...0x100)),
        line("revision", "\(revision / 100).\(revision % 100)"),
        line("manufacturer", letters(0x105...0x105)),
        line("vendor string", letters(0x106...0x109)),
        line("algorithms", named(items(0, 0, size: 6, width: 2), algorithms)),
        line("curves", named(items(8, 0, size: 2, width: 2), curves)),
      ] + properties.map { line($0.name, String(property($0.tag))) }
      + [line("commands", "\(codes.count): " + codes.joined(separator: " "))]).joined(separator: "\n")
  }
}
