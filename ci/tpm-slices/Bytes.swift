// Bytes: TPM commands as byte strings, for the slice bench.

func u16(_ value: Int) -> [UInt8] {
  [UInt8(truncatingIfNeeded: value &>> 8), UInt8(truncatingIfNeeded: value)]
}

func u32(_ value: UInt32) -> [UInt8] {
  [
    UInt8(truncatingIfNeeded: value &>> 24), UInt8(truncatingIfNeeded: value &>> 16),
    UInt8(truncatingIfNeeded: value &>> 8), UInt8(truncatingIfNeeded: value),
  ]
}

func sized(_ bytes: [UInt8]) -> [UInt8] { u16(bytes.count) + bytes }

func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
  guard offset >= 0, offset &+ 4 <= bytes.count else { return 0 }
  var value: UInt32 = 0
  for index in offset..<(offset &+ 4) { value = value &<< 8 | UInt32(bytes[index]) }
  return value
}

/// The content of the sized field at `offset`.
func field(_ bytes: [UInt8], _ offset: Int) -> [UInt8] {
  guard offset &+ 2 <= bytes.count else { return [] }
  let size = Int(bytes[offset]) &<< 8 | Int(bytes[offset &+ 1])
  guard offset &+ 2 &+ size <= bytes.count else { return [] }
  var out: [UInt8] = []
  for index in 0..<size { out.append(bytes[offset &+ 2 &+ index]) }
  return out
}

/// A command without sessions.
func command(_ code: UInt32, _ body: [UInt8]) -> [UInt8] {
  u16(0x8001) + u32(UInt32(10 &+ body.count)) + u32(code) + body
}

/// A command whose handles are authorized by empty passwords.
func command(_ code: UInt32, _ handles: [UInt32], sessions: Int, _ parameters: [UInt8]) -> [UInt8] {
  let password = u32(0x4000_0009) + [0, 0, 1, 0, 0]
  var body: [UInt8] = []
  for handle in handles { body += u32(handle) }
  body += u32(UInt32(password.count &* sessions))
  for _ in 0..<sessions { body += password }
  body += parameters
  return u16(0x8002) + u32(UInt32(10 &+ body.count)) + u32(code) + body
}

/// Templates; each has SHA-256 as its name algorithm and needs no policy.
enum Template {
  private static func area(_ type: Int, _ attributes: UInt32, _ rest: [UInt8]) -> [UInt8] {
    u16(type) + u16(0xB) + u32(attributes) + u16(0) + rest
  }
  static func eccStorage(_ curve: Int) -> [UInt8] {
    area(0x23, 0x0003_0472, u16(6) + u16(128) + u16(0x43) + u16(0x10) + u16(curve) + u16(0x10) + u32(0))
  }
  static func eccSign(_ curve: Int) -> [UInt8] {
    area(0x23, 0x0004_0472, u16(0x10) + u16(0x18) + u16(0xB) + u16(curve) + u16(0x10) + u32(0))
  }
  static func eccExchange(_ curve: Int) -> [UInt8] {
    area(0x23, 0x0002_0472, u16(0x10) + u16(0x10) + u16(curve) + u16(0x10) + u32(0))
  }
  static func rsaStorage(_ bits: Int) -> [UInt8] {
    area(1, 0x0003_0472, u16(6) + u16(128) + u16(0x43) + u16(0x10) + u16(bits) + u32(0) + u16(0))
  }
  static func rsaAny(_ bits: Int) -> [UInt8] {
    area(1, 0x0006_0472, u16(0x10) + u16(0x10) + u16(bits) + u32(0) + u16(0))
  }
  static var sealed: [UInt8] { area(8, 0x0000_0052, u16(0x10) + u16(0)) }
  static var mac: [UInt8] { area(8, 0x0004_0472, u16(0x10) + u16(0)) }
  static var cipher: [UInt8] { area(0x25, 0x0006_0472, u16(6) + u16(256) + u16(0x10) + u16(0)) }
}
