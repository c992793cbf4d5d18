// LintTests: every lint rule sees a violation that is planted, and leaves good code alone.
import Foundation
import Lint
import Testing

@Suite struct LintTests {
  private let good = "// Name: what it is.\n"

  private func rules(_ path: String, _ text: String) -> [String] {
    let file = SourceFile(path: path, text: text)
    return (TextRules.check(file) + LanguageRules.check(file)).map(\.rule)
  }

  @Test func aGoodFilePasses() {
    #expect(rules("Sources/Bits/A.swift", good + "let a: UInt64 = 1\n").isEmpty)
    #expect(rules("ci/test", "#!/bin/bash\n# test: runs everything.\n").isEmpty)
  }

  @Test func aMissingTaglineIsSeen() {
    #expect(rules("Sources/Bits/A.swift", "import Bits\n") == ["tagline"])
    #expect(rules("Sources/Bits/A.swift", "// No full stop\n") == ["tagline"])
    #expect(rules("ci/test", "#!/bin/bash\nset -e\n") == ["tagline"])
    #expect(rules("Sources/Boot/a.S", ".code64\n") == ["tagline"])
  }

  @Test func aLongFileIsSeenUnlessItIsATable() {
    let body = String(repeating: "let x = 1\n", count: 500)
    #expect(rules("Sources/Bits/A.swift", good + body) == ["file-size"])
    #expect(rules("Sources/Bits/A.swift", good + "// lint: table\n" + body).isEmpty)
    #expect(rules("Sources/Bits/A.swift", good + String(body.dropLast(10))).isEmpty)
  }

  @Test(arguments: ["work", "root", "home", "opt"])
  func aMachinesPathIsSeen(root: String) {
    #expect(rules("README.md", "see /\(root)/x\n") == ["machine-path"])
    #expect(rules("README.md", "see $base/\(root)/x and https://host/\(root)/x\n").isEmpty)
  }

  @Test func unsafeOutsideItsRoomsIsSeen() {
    let text = good + "let p = unsafe q.pointee\n"
    #expect(rules("Sources/Kernel/A.swift", text) == ["unsafe-only-in-machine"])
    #expect(rules("boards/native/Board.swift", text) == ["unsafe-only-in-machine"])
    #expect(
      rules("Sources/Kernel/A.swift", good + "typealias P = UnsafeMutablePointer<Int>\n") == [
        "unsafe-only-in-machine"
      ])
    #expect(rules("Sources/Machine/A.swift", text).isEmpty)
    #expect(rules("Sources/Concurrency/A.swift", text).isEmpty)
  }

  @Test func unsafeInCommentsAndStringsIsNotCode() {
    #expect(rules("Sources/Kernel/A.swift", good + "/* unsafe /* unsafe */ unsafe */ // unsafe\n").isEmpty)
    #expect(rules("Sources/Kernel/A.swift", good + "let s = \"unsafe \\\" unsafe\"\n").isEmpty)
    #expect(rules("Sources/Kernel/A.swift", good + "let s = #\"unsafe \" unsafe\"#\n").isEmpty)
    #expect(
      rules("Sources/Kernel/A.swift", good + "let s = \"a \\(unsafe b(\")\")) c\"\n") == [
        "unsafe-only-in-machine"
      ])
    #expect(
      LanguageRules.unsafeCount(SourceFile(path: "Sources/Machine/A.swift", text: "unsafe f(unsafe x)")) == 2)
  }

  @Test func cOutsideItsRoomsIsSeen() {
    #expect(rules("Sources/Kernel/a.c", "// a: it.\n") == ["c-only-in-machine"])
    #expect(rules("Sources/Boot/a.c", "// a: it.\n").isEmpty)
    #expect(rules("boards/sim/host.c", "// a: it.\n").isEmpty)
    #expect(rules("Sources/CryptoInstructions/a.c", "// a: it.\n").isEmpty)
  }

  @Test(
    arguments: [
      "let a: Double = 1", "var b = Set<Int>()", "let c = Dictionary<Int, Int>()", "if name == \"x\" {}",
      "let d: [UInt64: Int] = [:]", "func f(_ a: [Key: Value]) {}", "let e = [Int: Page]()",
    ])
  func aHeavyTypeInAKernelRoomIsSeen(line: String) {
    #expect(rules("Sources/Kernel/A.swift", good + line + "\n") == ["kernel-types"])
    #expect(rules("Sources/apus/A.swift", good + line + "\n").isEmpty)
  }

  @Test(
    arguments: [
      "let a = Task { await b() }", "Task<Int, Never>(priority: .low) { 1 }", "Task.detached { }",
      "group.addTask { 1 }",
    ])
  func aTaskStartedOtherwiseThanBySpawnIsSeen(line: String) {
    #expect(rules("Sources/Kernel/A.swift", good + line + "\n") == ["tasks-by-spawn"])
    #expect(rules("boards/native/A.swift", good + line + "\n") == ["tasks-by-spawn"])
    #expect(rules("boards/sim/A.swift", good + line + "\n").isEmpty)
    #expect(rules("Sources/Concurrency/Module/A.swift", good + line + "\n").isEmpty)
  }

  @Test(arguments: ["try spawn(\"a\") { }", "let a = TaskRef(b)", "struct Task: A {}", "// Task { }"])
  func whatOnlyLooksLikeATaskIsNot(line: String) {
    #expect(rules("Sources/Kernel/A.swift", good + line + "\n").isEmpty)
  }

  private let targets = [
    ManifestTarget(name: "Bits", path: "Sources/Bits", dependencies: []),
    ManifestTarget(name: "X86", path: "Sources/X86", dependencies: ["Bits"]),
    ManifestTarget(name: "Model", path: "Sources/Model", dependencies: ["SNP"]),
    ManifestTarget(name: "SNP", path: "Sources/SNP", dependencies: ["X86"]),
    ManifestTarget(name: "Timer", path: "Sources/Services/Timer", dependencies: ["Bits"]),
  ]

  private func imports(_ path: String, _ text: String) -> [String] {
    ImportRules.check(SourceFile(path: path, text: text), in: targets).map(\.message)
  }

  @Test func anUndeclaredImportIsSeen() {
    #expect(imports("Sources/X86/A.swift", "import Bits\npublic import struct Bits.A\n").isEmpty)
    #expect(imports("Sources/X86/A.swift", "import SNP\n") == ["imports SNP, which X86 doesn't declare"])
    #expect(imports("Sources/X86/A.swift", "@_exported import SNP\n").count == 1)
    #expect(imports("Sources/X86/A.swift", "import Foundation\n").count == 1)
    #expect(imports("Sources/X86/A.swift", "// import SNP\n").isEmpty)
    #expect(imports("Sources/Nowhere/A.swift", "") == ["the file belongs to no target"])
    #expect(imports("Sources/Services/Timer/A.swift", "import Bits\n").isEmpty)
  }

  @Test func aForbiddenDependencyInTheManifestIsSeen() {
    #expect(ImportRules.check(manifest: targets).isEmpty)
    let upward = ManifestTarget(name: "Bits", path: "Sources/Bits", dependencies: ["Model"])
    #expect(
      ImportRules.check(manifest: targets.dropFirst() + [upward]).map(\.message) == [
        "Bits may not depend on Model"
      ])
    let unknown = ManifestTarget(name: "Extra", path: "Sources/Extra", dependencies: [])
    #expect(ImportRules.check(manifest: [unknown]).map(\.message) == ["room Extra is not in the room table"])
    let sideways = ManifestTarget(name: "Timer", path: "Sources/Services/Timer", dependencies: ["Model"])
    #expect(ImportRules.check(manifest: targets.dropLast() + [sideways]).count == 1)
  }

  @Test func aDumpedManifestIsRead() {
    let text = """
      {"targets": [{"name": "A", "type": "regular", "path": "x/A", "dependencies": [{"byName": ["B", null]}]},
      {"name": "BTests", "type": "test", "dependencies": [{"target": ["A", null]}]}]}
      """
    #expect(
      ManifestTarget.parse(Data(text.utf8)) == [
        ManifestTarget(name: "A", path: "x/A", dependencies: ["B"]),
        ManifestTarget(name: "BTests", path: "Tests/BTests", dependencies: ["A"]),
      ])
    #expect(ManifestTarget.parse(Data("no".utf8)) == nil)
  }

  @Test func tokensThatLookLikeComparisonsOfNothingAreNotStrings() {
    #expect(rules("Sources/Kernel/A.swift", good + "let a = [index: 1]\nprint(\"a == b\")\n").isEmpty)
  }

  private func image(_ instruction: String, allowed: Set<String> = []) -> [Violation] {
    let text = "ffffffff80100000 <entry>:\nffffffff80100000:     \t\(instruction)\n"
    let lines = text.replacing("\nffffffff80100000:", with: "\n ffffffff80100000:")
    return ImageRules.check(path: "image", disassembly: lines.split(separator: "\n"), allowed: allowed)
  }

  @Test(
    arguments: [
      "movaps\t%xmm0, (%rdi)", "vmovdqu\t%ymm1, %ymm2", "movq\t%mm0, %rax", "fldcw\t(%rax)",
      "fxsave64\t(%rdi)", "emms",
      "fadd\t%st(1), %st", "pxor\t%xmm15, %xmm15", "vpxorq\t%zmm0, %zmm0, %zmm0",
    ])
  func aFloatingPointRegisterInAnImageIsSeen(instruction: String) {
    #expect(image(instruction).map(\.rule) == ["float-free"])
    #expect(image(instruction, allowed: ["entry"]).isEmpty)
  }

  @Test(arguments: ["cmpxchg8b\t(%rdi)", "lock\t\tcmpxchg16b\t(%rsi)"])
  func aWideCompareExchangeInAnImageIsSeen(instruction: String) {
    #expect(image(instruction, allowed: ["entry"]).map(\.rule) == ["wide-exchange"])
  }

  @Test(arguments: [
    "movq\t%rax, %fs:0x0", "lock\t\tcmpxchgq\t%rcx, (%rdx)", "callq\t0x10 <fmodf>",
    "leaq\t8(%rip), %rdi  # <xmm>", "mfence", "movl\t$1, %eax",
  ])
  func ordinaryInstructionsPass(instruction: String) {
    #expect(image(instruction).isEmpty)
  }

  @Test func anEmptyDisassemblyIsNotAPass() {
    #expect(
      ImageRules.check(path: "image", disassembly: "".split(separator: "\n"), allowed: []).map(\.rule) == [
        "float-free"
      ])
  }
}
