// KeyFile: reads a P-384 private key from PEM, as OpenSSL writes it.
import Foundation
import Measurement

enum KeyFile {
  /// The key in `path`: "EC PRIVATE KEY" (RFC 5915) or "PRIVATE KEY" (RFC 5208).
  static func read(_ path: String, what: String) throws(Failure) -> SNPSigningKey {
    let bytes = try Files.read(path, what: what)
    guard bytes.count < 65536, let der = pem(String(decoding: bytes, as: UTF8.self)),
      let scalar = scalar(der),
      let key = SNPSigningKey(scalar: scalar)
    else {
      throw Failure(
        "\(what) \(path) is not an unencrypted P-384 private key in PEM",
        fix: "make one with `openssl ecparam -name secp384r1 -genkey -noout -out FILE`")
    }
    return key
  }

  /// The bytes of the first private key in PEM text.
  private static func pem(_ text: String) -> [UInt8]? {
    var body: String?
    for line in text.split(whereSeparator: \.isNewline) {
      if line.hasPrefix("-----BEGIN ") {
        if line.contains("PRIVATE KEY-----") && !line.contains("ENCRYPTED") { body = "" }
      } else if line.hasPrefix("-----END ") {
        if let body { return Data(base64Encoded: body).map { [UInt8]($0) } }
      } else {
        body?.append(contentsOf: line)
      }
    }
    return nil
  }

  /// A DER element's tag and contents, and what follows it.
  private static func element(
    _ bytes: ArraySlice<UInt8>
  ) -> (tag: UInt8, content: ArraySlice<UInt8>, rest: ArraySlice<UInt8>)? {
    guard bytes.count >= 2 else { return nil }
    let start = bytes.startIndex
    var length = Int(bytes[start + 1])
    var header = 2
    if length >= 0x80 {
      let count = length - 0x80
      guard count >= 1, count <= 2, bytes.count >= 2 + count else { return nil }
      length = bytes[(start + 2)..<(start + 2 + count)].reduce(0) { $0 << 8 | Int($1) }
      header += count
    }
    guard bytes.count - header >= length else { return nil }
    let content = bytes[(start + header)..<(start + header + length)]
    return (bytes[start], content, bytes[(start + header + length)...])
  }

  /// The 48 bytes of the scalar in either form of key.
  private static func scalar(_ der: [UInt8]) -> [UInt8]? {
    guard let sequence = element(der[...]), sequence.tag == 0x30, let version = element(sequence.content),
      version.tag == 2, let second = element(version.rest)
    else { return nil }
    if second.tag == 4 { return second.content.count == 48 ? Array(second.content) : nil }
    // RFC 5208: the algorithm, then the RFC 5915 key in an OCTET STRING.
    guard second.tag == 0x30, let wrapped = element(second.rest), wrapped.tag == 4 else { return nil }
    guard let inner = element(wrapped.content), inner.tag == 0x30 else { return nil }
    return scalar(Array(wrapped.content))
  }
}
