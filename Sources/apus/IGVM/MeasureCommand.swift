// MeasureCommand: `apus igvm measure`.
import IGVM
import Measurement

extension Commands {
  static let igvmMeasure = Command(
    name: "measure", summary: "Computes the launch digest (SNP) or MRTD (TDX) of a file.",
    usage: "apus igvm measure FILE [--platform snp|tdx] [options]",
    options: [
      .init("--platform", value: "NAME", "snp or tdx; may be left out if the file has only one of them"),
      .init("--steps", "show every step and what the digest became"),
      .init(
        "--check-kvm", "check what KVM needs for the digest to be the hardware's; exit 1 if it is not met"),
      .init(
        "--native-zero", "SNP: import pages without data as ZERO pages, as QEMU does OVMF's metadata pages"),
      .init(
        "--first-parameter-page", "SNP: count only the first page of a parameter area, as igvmmeasure does"),
      .init("--corim", value: "FILE", "also write the measurement as a CoRIM, for attestation verifiers"),
      .init("--json", "print JSON: the measurement as a reference value, and what else was asked for"),
    ],
    details: """
      An SNP ID block in the file is checked as the firmware would; exit 1 if it does not hold.

      SNP: LD = SHA384(PAGE_INFO) for each page. TDX: SHA384 over MEM.PAGE.ADD and MR.EXTEND records.
      By default a page without data is a NORMAL page of zeros and every page of a parameter area counts,
      as QEMU with KVM does it.

      Examples:
        apus igvm measure apus-snp.igvm
        apus igvm measure apus.igvm --platform tdx --steps
        apus igvm measure ovmf.igvm --native-zero
      """,
    run: { arguments throws(Failure) in try MeasureCommand(arguments).run() })
}

/// The work of `apus igvm measure`.
private struct MeasureCommand {
  /// A step as it is shown.
  struct Step {
    let header: Int
    let gpa: UInt64
    let kind: String
    let contents: String
    let digest: String
  }

  let arguments: Arguments

  init(_ arguments: Arguments) { self.arguments = arguments }

  func run() throws(Failure) -> Int32 {
    let file = try LoadedFile(try arguments.operand("file"))
    let platform = try choose(try file.platforms())
    var steps: [Step] = []
    let keepsSteps = arguments.has("--steps")
    let digest: Digest384
    do throws(Violation) {
      if platform.platform == .snp {
        let rules = SNPMeasurementRules(
          zeroPage: arguments.has("--native-zero") ? .native : .normal,
          parameterArea: arguments.has("--first-parameter-page") ? .firstPage : .everyPage)
        digest = try SNPLaunchDigest.measure(file.bytes.span, mask: platform.mask, rules: rules) { step in
          if keepsSteps { steps.append(Step(step)) }
        }
      } else {
        digest = try MRTD.measure(file.bytes.span, mask: platform.mask) { step, stream in
          if keepsSteps { steps.append(Step(step, stream)) }
        }
      }
    } catch {
      throw Failure(error, in: file.path)
    }
    let breaches = try checkKVM(file, platform)
    let identity = try checkIdentity(file, platform, digest)
    let name = platform.platform == .snp ? "snp" : "tdx"
    if let path = arguments["--corim"] {
      try Files.write(ReferenceValues.corim(platform: name, digest: digest), to: path)
    }
    try Output.write(
      arguments.has("--json")
        ? json(name, digest, steps, breaches, identity)
        : text(name, digest, steps, breaches, identity, file.path))
    return breaches?.isEmpty == false || (identity ?? .valid) != .valid ? 1 : 0
  }

  private func choose(_ platforms: [SupportedPlatform]) throws(Failure) -> SupportedPlatform {
    let measured = platforms.filter { $0.platform == .snp || $0.platform == .tdx }
    if let name = arguments["--platform"] {
      guard name == "snp" || name == "tdx" else {
        throw Failure("there is no measurement for platform \(name)", fix: "write snp or tdx")
      }
      let type = name == "snp" ? PlatformType.snp : .tdx
      guard let found = measured.first(where: { $0.platform == type }) else {
        throw Failure("the file has no platform \(name)", fix: "`apus igvm inspect` shows which it has")
      }
      if type == .tdx {
        for option in ["--check-kvm", "--native-zero", "--first-parameter-page"] where arguments.has(option) {
          throw Failure("\(option) is for SNP", fix: "leave it out")
        }
      }
      return found
    }
    guard measured.count == 1 else {
      throw Failure(
        measured.isEmpty ? "the file has neither SNP nor TDX" : "the file has SNP and TDX",
        fix: "choose with --platform")
    }
    return measured[0]
  }

  /// The breaches of KVM's rules; nil if they were not asked for.
  private func checkKVM(_ file: LoadedFile, _ platform: SupportedPlatform) throws(Failure) -> [Violation]? {
    guard arguments.has("--check-kvm") else { return nil }
    guard platform.platform == .snp else { throw Failure("--check-kvm is for SNP", fix: "leave it out") }
    return Verification.run(file.bytes, .kvm).filter { $0.rule.origin == .loader }
  }

  /// What the file's ID block is worth; nil if it has none.
  private func checkIdentity(
    _ file: LoadedFile, _ platform: SupportedPlatform, _ digest: Digest384
  ) throws(Failure) -> SNPIdentityCheck? {
    guard platform.platform == .snp else { return nil }
    do throws(Violation) {
      var reader = try HeaderReader(file.bytes.span)
      var policy: UInt64 = 0
      while let located = try reader.next(file.bytes.span) {
        guard located.header.mask.intersects(platform.mask) else { continue }
        if case .guestPolicy(let header) = located.header { policy = header.policy }
        if case .snpIDBlock(let block) = located.header {
          return block.check(launchDigest: digest, policy: policy)
        }
      }
      return nil
    } catch {
      throw Failure(error, in: file.path)
    }
  }

  private static func words(_ check: SNPIdentityCheck) -> String {
    switch check {
    case .valid: "valid"
    case .anotherDigest: "holds another launch digest"
    case .badSignature: "the ID key's signature is wrong"
    case .badAuthorSignature: "the author key's signature is wrong"
    case .unsupported: "its version or algorithm is not supported"
    }
  }

  private func text(
    _ platform: String, _ digest: Digest384, _ steps: [Step], _ breaches: [Violation]?,
    _ identity: SNPIdentityCheck?,
    _ path: String
  ) -> String {
    var text = ""
    if !steps.isEmpty {
      text += TextTable.render(
        [["header", "gpa", "page", "contents", "digest"]]
          + steps.map {
            [
              Number.hex(UInt64($0.header), width: 6), Number.hex($0.gpa, width: 12), $0.kind, $0.contents,
              $0.digest,
            ]
          })
    }
    if let breaches, !breaches.isEmpty { text += Verification.text(path, breaches) }
    if let identity { text += "ID block: \(Self.words(identity))\n" }
    return text + "\(platform) \(Number.hex(bytes: digest.array))\n"
  }

  private func json(
    _ platform: String, _ digest: Digest384, _ steps: [Step], _ breaches: [Violation]?,
    _ identity: SNPIdentityCheck?
  ) -> String {
    var fields: [(String, JSONValue)] = [
      ("platform", .string(platform)), ("digest", .string(Number.hex(bytes: digest.array))),
    ]
    if arguments.has("--steps") {
      fields.append(
        (
          "steps",
          .array(
            steps.map {
              .object([
                ("header", .number(UInt64($0.header))), ("gpa", .string(Number.hex($0.gpa))),
                ("page", .string($0.kind)),
                ("contents", .string($0.contents)), ("digest", .string($0.digest)),
              ])
            })
        ))
    }
    if let identity { fields.append(("id_block", .string(Self.words(identity)))) }
    if let breaches {
      fields.append(
        (
          "kvm",
          .array(
            breaches.map {
              .object([
                ("offset", .number($0.offset)), ("rule", .string("\($0.rule.name)")),
                ("value", .string(Number.hex($0.value))),
              ])
            })
        ))
    }
    return JSONValue.object(fields).text
  }
}

extension MeasureCommand.Step {
  init(_ step: SNPDigestStep) {
    let isMeasured = step.type == .normal || step.type == .vmsa
    self.init(
      header: step.step.headerOffset, gpa: step.step.gpa, kind: "\(step.type.name)",
      contents: isMeasured ? Number.hex(bytes: step.contents.array) : "-",
      digest: Number.hex(bytes: step.digest.array))
  }

  init(_ step: MRTDStep, _ stream: MRTD) {
    self.init(
      header: step.step.headerOffset, gpa: step.step.gpa, kind: step.isExtended ? "ADD+EXTEND" : "ADD",
      contents: "-",
      digest: Number.hex(bytes: stream.value.array))
  }
}
