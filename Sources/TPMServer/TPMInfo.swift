// TPMInfo: what the engine reports of itself, as text.
import TPM

/// The capabilities of a fresh engine.
public enum TPMInfo {
  /// Fixed properties, algorithms, curves and the number of commands.
  public static func text() -> String {
    let entropy = Entropy.bytes(64)
    var engine = TPMEngine(entropy: entropy.span)
    engine.powerOn(milliseconds: 0)
    _ = engine.execute([0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0], milliseconds: 0)
    func capability(_ kind: UInt32, _ first: UInt32) -> [UInt8] {
      engine.execute(
        [0x80, 1, 0, 0, 0, 22, 0, 0, 1, 0x7A] + big(kind) + big(first) + big(254), milliseconds: 0)
    }
    var lines: [String] = []
    let properties = capability(6, 0x100)
    for index in 0..<Int(word(properties, 15)) {
      let tag = word(properties, 19 + 8 * index)
      let value = word(properties, 23 + 8 * index)
      lines.append("property 0x" + String(tag, radix: 16) + " = 0x" + String(value, radix: 16))
    }
    let algorithms = capability(0, 0)
    var names: [String] = []
    for index in 0..<Int(word(algorithms, 15)) {
      names.append("0x" + String(word(algorithms, 19 + 6 * index) >> 16, radix: 16))
    }
    lines.append("algorithms " + names.joined(separator: " "))
    let commands = capability(2, 0x11F)
    lines.append("commands \(word(commands, 15))")
    return lines.joined(separator: "\n")
  }
}
