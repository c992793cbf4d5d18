// VerifyCommand: `apus igvm verify`.
import IGVM

extension Commands {
  static let igvmVerify = Command(
    name: "verify", summary: "Holds a file to every rule; lists each breach with its offset.",
    usage: "apus igvm verify FILE [--hypervisor NAME] [--json]",
    options: [
      .init("--hypervisor", value: "NAME", "also the rules of a loader: qemu, kvm, hyperv or monitor"),
      .init("--json", "print JSON"),
    ],
    details: """
      Exit status: 0 no breach (notices do not count), 1 breaches, 2 the file cannot be read.
      Origin: format = every parser refuses it; strict = ours, others accept it to somebody's harm;
      loader = the loader named refuses or misreads it; notice = worth knowing.

      Examples:
        apus igvm verify apus-snp.igvm
        apus igvm verify apus-snp.igvm --hypervisor qemu --json
      """,
    run: { arguments throws(Failure) in
      let path = try arguments.operand("file")
      let profile = try Verification.profile(arguments["--hypervisor"])
      let bytes = try Files.read(path, what: "the file")
      let found = Verification.run(bytes, profile)
      try Output.write(
        arguments.has("--json") ? Verification.json(path, found) : Verification.text(path, found))
      return found.contains { $0.rule.origin != .notice } ? 1 : 0
    })
}

/// Running the rules over a file and showing the result; `measure --check-kvm` uses it as well.
enum Verification {
  /// The most breaches that are listed: a hostile file can have one for each header.
  static let listLimit = 1000

  static func profile(_ name: String?) throws(Failure) -> LoaderProfile? {
    guard let name else { return nil }
    let known: [(String, LoaderProfile)] = [
      ("qemu", .qemu), ("kvm", .kvm), ("hyperv", .hyperv), ("monitor", .monitor),
    ]
    guard let found = known.first(where: { $0.0 == name }) else {
      throw Failure("there is no loader \(name)", fix: "write qemu, kvm, hyperv or monitor")
    }
    return found.1
  }

  static func run(_ bytes: [UInt8], _ profile: LoaderProfile?) -> [Violation] {
    var found: [Violation] = []
    func take(_ violation: Violation) {
      if found.count < listLimit { found.append(violation) }
    }
    Verifier.check(bytes.span) { take($0) }
    // A loader's rules make sense only on a file that can be read to its end.
    if let profile { try? profile.check(bytes.span) { take($0) } }
    return found
  }

  static func text(_ path: String, _ found: [Violation]) -> String {
    let breaches = found.count { $0.rule.origin != .notice }
    var text = TextTable.render(
      found.map {
        [
          Number.hex($0.offset, width: 6), origin($0.rule), "\($0.rule.name)", Number.hex($0.value),
          "\($0.rule.explanation)",
        ]
      })
    if found.count == listLimit { text += "(the first \(listLimit) are listed)\n" }
    return text + "\(path): \(breaches == 0 ? "valid" : "\(breaches) breach\(breaches == 1 ? "" : "es")")\n"
  }

  static func json(_ path: String, _ found: [Violation]) -> String {
    JSONValue.object([
      ("file", .string(path)), ("valid", .bool(!found.contains { $0.rule.origin != .notice })),
      ("truncated", .bool(found.count == listLimit)),
      (
        "violations",
        .array(
          found.map {
            .object([
              ("offset", .number($0.offset)), ("origin", .string(origin($0.rule))),
              ("rule", .string("\($0.rule.name)")),
              ("value", .string(Number.hex($0.value))), ("text", .string("\($0.rule.explanation)")),
            ])
          })
      ),
    ]).text
  }

  private static func origin(_ rule: Rule) -> String {
    switch rule.origin {
    case .format: "format"
    case .strict: "strict"
    case .loader: "loader"
    case .notice: "notice"
    }
  }
}
