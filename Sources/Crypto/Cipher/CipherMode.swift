// CipherMode: ECB, CBC, CFB, OFB and CTR of SP 800-38A over AES, as the TPM uses them.

/// A mode of operation without padding.
public enum CipherMode: Equatable, Sendable {
  /// Electronic code book: whole blocks only, no IV.
  case ecb
  /// Cipher block chaining: whole blocks only.
  case cbc
  /// Cipher feedback by whole blocks (CFB128), any length.
  case cfb
  /// Output feedback, any length.
  case ofb
  /// Counter, big-endian over the whole block, any length.
  case ctr
}

extension AES {
  /// Encrypts or decrypts in place and leaves in `iv` the value that continues the stream.
  ///
  /// After a partial block `cfb` leaves that block's ciphertext, zero-padded, as a TPM returns it.
  /// Returns false, changing nothing, if `ecb` or `cbc` meets a partial block.
  public func apply(
    _ mode: CipherMode, encrypting: Bool, iv: inout InlineArray<16, UInt8>, _ data: inout MutableSpan<UInt8>
  ) -> Bool {
    switch mode {
    case .ecb, .cbc:
      guard data.count & 15 == 0 else { return false }
      blocks(chained: mode == .cbc, encrypting: encrypting, &iv, &data)
    case .cfb: feedback(encrypting: encrypting, &iv, &data)
    case .ofb: outputFeedback(&iv, &data)
    case .ctr: counter(&iv, &data)
    }
    return true
  }

  private func blocks(
    chained: Bool, encrypting: Bool, _ iv: inout InlineArray<16, UInt8>, _ data: inout MutableSpan<UInt8>
  ) {
    var block = InlineArray<16, UInt8>(repeating: 0)
    var offset = 0
    while offset < data.count {
      for index in 0..<16 { block[index] = data[offset &+ index] }
      let before = block
      if chained && encrypting { for index in 0..<16 { block[index] ^= iv[index] } }
      if encrypting { encryptBlock(&block) } else { decryptBlock(&block) }
      if chained {
        if !encrypting { for index in 0..<16 { block[index] ^= iv[index] } }
        iv = encrypting ? block : before
      }
      for index in 0..<16 { data[offset &+ index] = block[index] }
      offset &+= 16
    }
    Wipe.bytes(&block)
  }

  private func feedback(
    encrypting: Bool, _ iv: inout InlineArray<16, UInt8>, _ data: inout MutableSpan<UInt8>
  ) {
    var offset = 0
    while offset < data.count {
      encryptBlock(&iv)
      let part = min(16, data.count &- offset)
      for index in 0..<part {
        let byte = data[offset &+ index]
        data[offset &+ index] = byte ^ iv[index]
        iv[index] = encrypting ? data[offset &+ index] : byte
      }
      for index in part..<16 { iv[index] = 0 }
      offset &+= part
    }
  }

  private func outputFeedback(_ iv: inout InlineArray<16, UInt8>, _ data: inout MutableSpan<UInt8>) {
    var offset = 0
    while offset < data.count {
      encryptBlock(&iv)
      let part = min(16, data.count &- offset)
      for index in 0..<part { data[offset &+ index] ^= iv[index] }
      offset &+= part
    }
  }

  private func counter(_ iv: inout InlineArray<16, UInt8>, _ data: inout MutableSpan<UInt8>) {
    var stream = InlineArray<64, UInt8>(repeating: 0)
    var offset = 0
    while offset < data.count {
      let part = min(64, data.count &- offset)
      for block in 0..<4 {
        for index in 0..<16 { stream[16 &* block &+ index] = iv[index] }
        if 16 &* block < part { Self.increment(&iv) }
      }
      encrypt(&stream)
      for index in 0..<part { data[offset &+ index] ^= stream[index] }
      offset &+= part
    }
    Wipe.bytes(&stream)
  }

  // The counter is public.
  static func increment(_ counter: inout InlineArray<16, UInt8>, from first: Int = 0) {
    var index = 15
    while index >= first {
      counter[index] &+= 1
      if counter[index] != 0 { return }
      index &-= 1
    }
  }
}
