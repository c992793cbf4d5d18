// NVIndex: a defined NV index with its data.
import Crypto

/// An NV index (Part 2 §13.5 TPMS_NV_PUBLIC, Part 1 §37).
struct NVIndex {
  var handle: UInt32
  var nameAlgorithm: HashAlgorithm
  var attributes: UInt32
  var policy: Digest
  var auth: Digest
  var data: [UInt8]

  var type: UInt32 { NVAttribute.type(attributes) }
  func has(_ attribute: UInt32) -> Bool { attributes & attribute != 0 }
  var isPIN: Bool { type == NVAttribute.pinFail || type == NVAttribute.pinPass }

  func writePublic(_ out: inout Writer) {
    out.u32(handle)
    out.hash(nameAlgorithm)
    out.u32(attributes)
    out.sized(policy)
    out.u16(UInt16(truncatingIfNeeded: data.count))
  }

  /// nameAlg ‖ H(TPMS_NV_PUBLIC).
  var name: Name {
    var out = Writer()
    writePublic(&out)
    var name = Name()
    name.append(big: nameAlgorithm.id)
    name.append(Hasher.hash(nameAlgorithm, out.bytes).span)
    return name
  }

  /// The data as a counter, bit field or PIN pair.
  var word: UInt64 {
    get {
      guard data.count == 8 else { return 0 }
      return data.reduce(0) { $0 << 8 | UInt64($1) }
    }
    set {
      guard data.count == 8 else { return }
      for index in 0..<8 { data[index] = UInt8(truncatingIfNeeded: newValue &>> UInt64(56 &- 8 &* index)) }
    }
  }

  var pinCount: UInt32 { UInt32(truncatingIfNeeded: word &>> 32) }
  var pinLimit: UInt32 { UInt32(truncatingIfNeeded: word) }

  func write(_ out: inout Writer) {
    writePublic(&out)
    out.sized(auth)
    out.raw(data)
  }

  init(
    handle: UInt32, nameAlgorithm: HashAlgorithm, attributes: UInt32, policy: Digest, auth: Digest, size: Int
  ) {
    self.handle = handle
    self.nameAlgorithm = nameAlgorithm
    self.attributes = attributes
    self.policy = policy
    self.auth = auth
    data = [UInt8](repeating: 0xFF, count: size)
  }

  init(_ reader: inout Reader) throws(Stop) {
    handle = try reader.u32()
    nameAlgorithm = try reader.hash()
    attributes = try reader.u32()
    policy = try reader.sized()
    let size = Int(try reader.u16())
    guard Handle.isNV(handle), size <= Limits.nvIndexSize else { throw reader.error(.integrity) }
    auth = try reader.sized()
    guard size <= reader.remaining else { throw reader.error(.insufficient) }
    let bytes: FixedBytes<2048> = try reader.raw(size)
    data = Array(bytes)
  }
}
