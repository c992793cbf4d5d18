// ImageRules: no floating-point or vector register outside listed routines, and no wide compare-exchange, in a kernel image.

/// Rules about linked images, by their disassembly.
public enum ImageRules {
  private static let withoutOperand: Set<Substring> = [
    "emms", "fninit", "finit", "fxsave", "fxsave64", "fxrstor", "fxrstor64", "ldmxcsr", "stmxcsr",
    "vzeroupper",
    "vzeroall", "fwait", "wait",
  ]

  /// float-free: no x87, MMX, XMM, YMM or ZMM register in `disassembly`, text as `llvm-objdump -d --no-show-raw-insn`
  /// writes it, outside functions named in `allowed`.
  ///
  /// wide-exchange: no CMPXCHG8B or CMPXCHG16B anywhere: their flags are wrong in QEMU 7.2.
  public static func check(path: String, disassembly: some Sequence<Substring>, allowed: Set<String>)
    -> [Violation]
  {
    var function = ""
    var found: [Violation] = []
    var instructionCount = 0
    for (number, line) in disassembly.enumerated() {
      if line.hasSuffix(">:"), let start = line.firstIndex(of: "<") {
        function = String(line[line.index(after: start)...].dropLast(2))
        continue
      }
      guard let colon = line.firstIndex(of: ":"), line.first?.isWhitespace == true else { continue }
      instructionCount += 1
      let text = line[line.index(after: colon)...]
      let rule: String
      if text.contains("cmpxchg8b") || text.contains("cmpxchg16b") {
        rule = "wide-exchange"
      } else if !allowed.contains(function), usesFloatingPoint(text) {
        rule = "float-free"
      } else {
        continue
      }
      let instruction = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      found.append(Violation(rule, path, number + 1, "`\(instruction)` in \(function)"))
    }
    if instructionCount == 0 {
      found.append(Violation("float-free", path, 1, "no instruction was disassembled"))
    }
    return found
  }

  private static func usesFloatingPoint(_ text: Substring) -> Bool {
    let body = text.prefix { $0 != "#" && $0 != "<" }
    guard let mnemonic = body.split(whereSeparator: \.isWhitespace).first else { return false }
    if withoutOperand.contains(mnemonic) { return true }
    // Every other x87 mnemonic starts with f.
    if mnemonic.hasPrefix("f"), mnemonic != "fs", mnemonic != "fs:" { return true }
    for operand in body.split(separator: "%").dropFirst() {
      let name = operand.prefix { $0.isLetter || $0.isNumber }
      if name.hasPrefix("xmm") || name.hasPrefix("ymm") || name.hasPrefix("zmm") || name == "st" {
        return true
      }
      if name.hasPrefix("mm"), name.dropFirst(2).first?.isNumber == true { return true }
    }
    return false
  }
}
