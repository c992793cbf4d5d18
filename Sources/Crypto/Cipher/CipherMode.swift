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

  // A chain is encrypted block by block; all else goes four at a time.
  private func blocks(
    chained: Bool, encrypting: Bool, _ iv: inout InlineArray<16, UInt8>, _ data: inout MutableSpan<UInt8>
  ) {
    var four = InlineArray<64, UInt8>(repeating: 0)
    let width = chained && encrypting ? 16 : 64
    var offset = 0
    while offset < data.count {
      let part = min(width, data.count &- offset)
      for index in 0..<part { four[index] = data[offset &+ index] }
      if chained && encrypting { for index in 0..<16 { four[index] ^= iv[index] } }
      if encrypting { encrypt(&four) } else { decrypt(&four) }
      if chained && !encrypting {
        for index in 0..<part { four[index] ^= index < 16 ? iv[index] : data[offset &+ index &- 16] }
        for index in 0..<16 { iv[index] = data[offset &+ part &- 16 &+ index] }
      }
      for index in 0..<part { data[offset &+ index] = four[index] }
      if chained && encrypting { for index in 0..<16 { iv[index] = four[index] } }
      offset &+= part
    }
    Wipe.bytes(&four)
  }

  private func feedback(
    encrypting: Bool, _ iv: inout InlineArray<16, UInt8>, _ data: inout MutableSpan<UInt8>
  ) {
    guard encrypting else {
      feedBack(&iv, &data)
      return
    }
    var offset = 0
    while offset < data.count {
      encryptBlock(&iv)
      let part = min(16, data.count &- offset)
      for index in 0..<part {
        iv[index] ^= data[offset &+ index]
        data[offset &+ index] = iv[index]
      }
      for index in part..<16 { iv[index] = 0 }
      offset &+= part
    }
  }

  // CFB decryption: the key stream of a block follows from the ciphertext before it, so four go at a time.
  private func feedBack(_ iv: inout InlineArray<16, UInt8>, _ data: inout MutableSpan<UInt8>) {
    var four = InlineArray<64, UInt8>(repeating: 0)
    var offset = 0
    while offset < data.count {
      let part = min(64, data.count &- offset)
      for index in 0..<16 { four[index] = iv[index] }
      for index in 16..<64 { four[index] = index &- 16 < part ? data[offset &+ index &- 16] : 0 }
      encrypt(&four)
      let last = (part &- 1) & ~15
      for index in 0..<16 { iv[index] = last &+ index < part ? data[offset &+ last &+ index] : 0 }
      for index in 0..<part { data[offset &+ index] ^= four[index] }
      offset &+= part
    }
    Wipe.bytes(&four)
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
