// EndorsementKey: the public area of the endorsement key, computed outside any command, for the kernel's attestation.
import Crypto

extension TPMEngine {
  /// Begins to compute the public area of the endorsement key; `advance` runs it, then `endorsementKey` has it.
  ///
  /// It is no command: it needs no Startup, takes no object slot and changes no state. CreatePrimary in the endorsement
  /// hierarchy with the same template gives the same key. Source: TCG EK Credential Profile, template L-1 (reference
  /// tpm.md 1.7): RSA-2048 storage key, PolicyA, AES-128-CFB, `unique` 256 zeros.
  public mutating func beginEndorsementKey() {
    job = Job(drbg)
    job.isEndorsementKey = true
  }

  /// TPMT_PUBLIC of the endorsement key once `advance` has answered true; nil if it could not be made.
  public var endorsementKey: [UInt8]? {
    // An error would be a response, whose tag begins with 0x80; a key's first byte is 0.
    let bytes = out.bytes
    return bytes.first == 0 ? bytes : nil
  }

  mutating func makeEndorsementKey() throws(Stop) {
    if volatile.isFailed { throw .code(.failure) }
    var template: [UInt8] = [1, 0x3A]  // the size of what follows
    template += [0, 1, 0, 0x0B, 0, 3, 0, 0xB2, 0, 32]
    template += [
      0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xB3, 0xF8, 0x1A, 0x90, 0xCC, 0x8D, 0x46, 0xA5, 0xD7, 0x24,
      0xFD, 0x52, 0xD7, 0x6E, 0x06, 0x52, 0x0B, 0x64, 0xF2, 0xA1, 0xDA, 0x1B, 0x33, 0x14, 0x69, 0xAA,
    ]
    template += [0, 6, 0, 0x80, 0, 0x43, 0, 0x10, 8, 0, 0, 0, 0, 0, 1, 0]
    template += [UInt8](repeating: 0, count: 256)
    var reader = Reader(template, from: 0, to: template.count)
    let request = CreationRequest()
    request.area = try reader.publicArea()
    var key = try makePrimary(Handle.endorsement, request)
    out.wipe()
    key.area.write(&out)
    key.wipe()
  }
}
