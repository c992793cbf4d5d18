// SNPCertificateTests: the model's certificate chain verifies link by link.

import Crypto
import Model
import Testing

@Suite struct SNPCertificateTests {
  /// Reads a DER value at `offset`: its content, and where the next one starts.
  private func read(_ bytes: [UInt8], _ offset: Int) throws -> (content: [UInt8], next: Int) {
    var length = Int(try #require(bytes.dropFirst(offset + 1).first))
    var start = offset + 2
    if length >= 0x80 {
      let count = length - 0x80
      length = 0
      for index in 0..<count { length = length << 8 | Int(bytes[start + index]) }
      start += count
    }
    try #require(start + length <= bytes.count)
    return (Array(bytes[start..<(start + length)]), start + length)
  }

  private func verifies(_ certificate: [UInt8], _ key: ECPoint) throws -> Bool {
    let outer = try read(certificate, 0)
    #expect(outer.next == certificate.count)
    let body = try read(outer.content, 0)
    let algorithm = try read(outer.content, body.next)
    let bits = try read(outer.content, algorithm.next)
    let signature = try read(Array(bits.content.dropFirst()), 0)
    let r = try read(signature.content, 0)
    let s = try read(signature.content, r.next)
    func number(_ bytes: [UInt8]) -> FixedBytes<48> {
      let magnitude = Array(bytes.drop { $0 == 0 })
      return FixedBytes(([UInt8](repeating: 0, count: 48 - magnitude.count) + magnitude).span)
    }
    let digest = SHA384.hash(Array(outer.content[0..<body.next]).span)
    var job = ECDSAVerifier(
      .p384, key, digest: digest.span,
      ECDSASignature(r: number(r.content), s: number(s.content)))
    return job.finish()
  }

  @Test func everyLinkVerifiesAndTheTableIsWellFormed() throws {
    let leafKey = try #require(SNPFirmware(seed: 42).verificationKey())
    let chain = try #require(SNPCertificates(seed: 42, leafKey: leafKey))
    #expect(try verifies(chain.root, chain.rootKey))
    #expect(try verifies(chain.intermediate, chain.rootKey))
    #expect(try verifies(chain.leaf, chain.intermediateKey))
    #expect(try !verifies(chain.leaf, chain.rootKey))
    var changed = chain.leaf
    changed[60] ^= 1
    #expect(try !verifies(changed, chain.intermediateKey))
    let table = chain.table
    for (index, certificate) in [chain.leaf, chain.intermediate, chain.root].enumerated() {
      let offset = Int(table[24 * index + 16]) | Int(table[24 * index + 17]) << 8
      #expect(Array(table[offset..<(offset + certificate.count)]) == certificate)
    }
    #expect(Array(table[72..<96]) == [UInt8](repeating: 0, count: 24))
  }
}
