// SignCommand: `apus igvm sign`.
import Foundation
import IGVM
import Measurement

extension Commands {
  static let igvmSign = Command(
    name: "sign", summary: "Adds a signed SNP ID block to a file.",
    usage: "apus igvm sign FILE --id-key KEY.pem -o FILE [options]",
    options: [
      .init("--output", short: "-o", value: "FILE", "the file to write"),
      .init("--id-key", value: "FILE", "the P-384 private key that signs the block (PEM)"),
      .init("--author-key", value: "FILE", "the P-384 private key that signs the ID key (PEM)"),
      .init("--family-id", value: "HEX", "16 bytes"),
      .init("--image-id", value: "HEX", "16 bytes"),
      .init("--svn", value: "N", "the guest's security version (0)"),
      .init("--native-zero", "measure as `apus igvm measure --native-zero` does"),
      .init("--json", "print key digests, ID block and ID_AUTH (base64) as JSON"),
    ],
    details: """
      The block holds the file's launch digest and policy. It is not measured, so the digest stays the same.
      An ID block that the file already has is replaced. Signatures are deterministic.

      Examples:
        openssl ecparam -name secp384r1 -genkey -noout -out id.pem
        apus igvm sign apus-snp.igvm --id-key id.pem --svn 1 -o apus-signed.igvm
      """,
    run: { arguments throws(Failure) in try SignCommand(arguments).run() })
}

/// The work of `apus igvm sign`.
private struct SignCommand {
  let arguments: Arguments

  init(_ arguments: Arguments) { self.arguments = arguments }

  func run() throws(Failure) -> Int32 {
    let file = try LoadedFile(try arguments.operand("file"))
    guard let output = arguments["--output"] else { throw Failure("no output is named", fix: "add -o FILE") }
    guard let keyPath = arguments["--id-key"] else {
      throw Failure("no ID key is named", fix: "add --id-key FILE")
    }
    guard let platform = try file.platforms().first(where: { $0.platform == .snp }) else {
      throw Failure("\(file.path) has no SNP platform", fix: "only SNP has ID blocks")
    }
    let idKey = try KeyFile.read(keyPath, what: "the ID key")
    let authorKey = try arguments["--author-key"].map { path throws(Failure) in
      try KeyFile.read(path, what: "the author key")
    }
    var image: Image
    let digest: Digest384
    do throws(Violation) {
      image = try Image(parsing: file.bytes)
      let rules = SNPMeasurementRules(zeroPage: arguments.has("--native-zero") ? .native : .normal)
      digest = try SNPLaunchDigest.measure(file.bytes.span, mask: platform.mask, rules: rules)
    } catch {
      throw Failure(error, in: file.path)
    }
    guard let policy = image.policy(platform.mask) else {
      throw Failure(
        "\(file.path) has no policy for SNP", fix: "build it with a policy: it is part of what is signed")
    }
    guard
      let identity = SNPIdentity(
        launchDigest: digest, familyID: try id("--family-id"), imageID: try id("--image-id"),
        guestSVN: UInt32(try arguments.number("--svn", limit: UInt64(UInt32.max)) ?? 0), policy: policy),
      let block = identity.block(mask: platform.mask, idKey: idKey, authorKey: authorKey)
    else { throw Failure("the block cannot be signed", fix: "check the keys") }
    image.setIDBlock(block)
    let bytes: [UInt8]
    do throws(BuildError) {
      bytes = try image.build()
    } catch {
      throw Failure(
        "the signed file cannot be written: \(error)", fix: "remove headers of other formats from it")
    }
    try Files.write(bytes, to: output)
    try Output.write(
      arguments.has("--json")
        ? json(digest, identity, block, idKey, authorKey) : text(output, digest, idKey, authorKey))
    return 0
  }

  private func id(_ option: String) throws(Failure) -> [UInt8] {
    guard let text = arguments[option] else { return SNPIdentity.noID }
    let digits = text.compactMap(\.hexDigitValue)
    guard text.count == 32, digits.count == 32 else {
      throw Failure("\(option) \(text) is not 16 bytes in hexadecimal", fix: "write 32 digits")
    }
    return stride(from: 0, to: 32, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }

  private func text(
    _ output: String, _ digest: Digest384, _ idKey: SNPSigningKey, _ authorKey: SNPSigningKey?
  ) -> String {
    var rows = [
      ["snp", Number.hex(bytes: digest.array)],
      ["id_key_digest", Number.hex(bytes: idKey.publicKey.digest.array)],
    ]
    if let authorKey {
      rows.append(["author_key_digest", Number.hex(bytes: authorKey.publicKey.digest.array)])
    }
    return "\(output): signed\n" + TextTable.render(rows)
  }

  private func json(
    _ digest: Digest384, _ identity: SNPIdentity, _ block: SNPIDBlock, _ idKey: SNPSigningKey,
    _ authorKey: SNPSigningKey?
  ) -> String {
    JSONValue.object([
      ("digest", .string(Number.hex(bytes: digest.array))),
      ("id_key_digest", .string(Number.hex(bytes: idKey.publicKey.digest.array))),
      (
        "author_key_digest",
        authorKey.map { .string(Number.hex(bytes: $0.publicKey.digest.array)) } ?? .null
      ),
      ("id_block", .string(Data(identity.encoded).base64EncodedString())),
      ("id_auth", .string(Data(authentication(block, idKey, authorKey)).base64EncodedString())),
    ]).text
  }

  /// The firmware's 4096-byte ID_AUTH, which QEMU takes in base64 (reference §12).
  private func authentication(
    _ block: SNPIDBlock, _ idKey: SNPSigningKey, _ authorKey: SNPSigningKey?
  ) -> [UInt8] {
    var page = [UInt8](repeating: 0, count: 4096)
    func put<S: Sequence<UInt8>>(_ bytes: S, at offset: Int) {
      for (index, byte) in bytes.enumerated() { page[offset + index] = byte }
    }
    put([1], at: 0)
    put(block.bytes(at: SNPIDBlock.Offset.idKeySignature, count: 144), at: 0x40)
    put(idKey.publicKey.image, at: 0x240)
    if let authorKey {
      put([1], at: 4)
      put(block.bytes(at: SNPIDBlock.Offset.authorKeySignature, count: 144), at: 0x680)
      put(authorKey.publicKey.image, at: 0x880)
    }
    return page
  }
}

extension Image {
  /// The policy of the platform `mask`.
  func policy(_ mask: PlatformMask) -> UInt64? {
    for record in records {
      if case .guestPolicy(let policy) = record.header, policy.mask.contains(mask) { return policy.policy }
    }
    return nil
  }

  /// Puts `block` in front of the first directive that imports anything, in place of an older one.
  mutating func setIDBlock(_ block: SNPIDBlock) {
    records.removeAll {
      if case .snpIDBlock(let old) = $0.header { old.mask.intersects(block.mask) } else { false }
    }
    let place = records.firstIndex { $0.header.type.section == .directive } ?? records.endIndex
    records.insert(.init(.snpIDBlock(block)), at: place)
  }
}
