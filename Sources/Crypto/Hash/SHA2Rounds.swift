// SHA2Rounds: the rounds over one block, which SHA-256 and SHA-512 share but for their words, constants and rotations.

/// What tells the two engines of SHA-2 apart (FIPS 180-4 §4.1.2 and §4.1.3).
protocol SHA2Rounds {
  associatedtype Word: FixedWidthInteger & UnsignedInteger
  /// The big-endian word at `offset`.
  static func load(_ block: borrowing Span<UInt8>, _ offset: Int) -> Word
  /// σ0.
  static func small0(_ x: Word) -> Word
  /// σ1.
  static func small1(_ x: Word) -> Word
  /// One round with the variables renamed instead of moved; `wk` is the schedule's word and the round's constant.
  static func round(
    _ a: Word, _ b: Word, _ c: Word, _ d: inout Word, _ e: Word, _ f: Word, _ g: Word, _ h: inout Word,
    _ wk: Word)
}

extension SHA2Rounds {
  /// Compresses a block of sixteen words; `constants` are the rounds', a multiple of sixteen.
  ///
  /// Sixteen rounds a turn, so that the schedule lives in sixteen variables. A block of another size is left out: said
  /// once, so that no byte's index is checked again.
  @inline(__always)
  static func rounds(
    _ state: inout InlineArray<8, Word>, _ block: borrowing Span<UInt8>, _ constants: borrowing Span<Word>
  ) {
    let size = Word.bitWidth / 8
    guard block.count == 16 &* size else { return }
    var w0 = load(block, 0)
    var w1 = load(block, 1 &* size)
    var w2 = load(block, 2 &* size)
    var w3 = load(block, 3 &* size)
    var w4 = load(block, 4 &* size)
    var w5 = load(block, 5 &* size)
    var w6 = load(block, 6 &* size)
    var w7 = load(block, 7 &* size)
    var w8 = load(block, 8 &* size)
    var w9 = load(block, 9 &* size)
    var w10 = load(block, 10 &* size)
    var w11 = load(block, 11 &* size)
    var w12 = load(block, 12 &* size)
    var w13 = load(block, 13 &* size)
    var w14 = load(block, 14 &* size)
    var w15 = load(block, 15 &* size)
    var a = state[0]
    var b = state[1]
    var c = state[2]
    var d = state[3]
    var e = state[4]
    var f = state[5]
    var g = state[6]
    var h = state[7]
    round(a, b, c, &d, e, f, g, &h, w0 &+ constants[0])
    round(h, a, b, &c, d, e, f, &g, w1 &+ constants[1])
    round(g, h, a, &b, c, d, e, &f, w2 &+ constants[2])
    round(f, g, h, &a, b, c, d, &e, w3 &+ constants[3])
    round(e, f, g, &h, a, b, c, &d, w4 &+ constants[4])
    round(d, e, f, &g, h, a, b, &c, w5 &+ constants[5])
    round(c, d, e, &f, g, h, a, &b, w6 &+ constants[6])
    round(b, c, d, &e, f, g, h, &a, w7 &+ constants[7])
    round(a, b, c, &d, e, f, g, &h, w8 &+ constants[8])
    round(h, a, b, &c, d, e, f, &g, w9 &+ constants[9])
    round(g, h, a, &b, c, d, e, &f, w10 &+ constants[10])
    round(f, g, h, &a, b, c, d, &e, w11 &+ constants[11])
    round(e, f, g, &h, a, b, c, &d, w12 &+ constants[12])
    round(d, e, f, &g, h, a, b, &c, w13 &+ constants[13])
    round(c, d, e, &f, g, h, a, &b, w14 &+ constants[14])
    round(b, c, d, &e, f, g, h, &a, w15 &+ constants[15])
    var turn = 16
    while turn < constants.count {
      let turnConstants = constants.extracting(turn..<(turn &+ 16))
      w0 = w0 &+ small1(w14) &+ w9 &+ small0(w1)
      round(a, b, c, &d, e, f, g, &h, w0 &+ turnConstants[0])
      w1 = w1 &+ small1(w15) &+ w10 &+ small0(w2)
      round(h, a, b, &c, d, e, f, &g, w1 &+ turnConstants[1])
      w2 = w2 &+ small1(w0) &+ w11 &+ small0(w3)
      round(g, h, a, &b, c, d, e, &f, w2 &+ turnConstants[2])
      w3 = w3 &+ small1(w1) &+ w12 &+ small0(w4)
      round(f, g, h, &a, b, c, d, &e, w3 &+ turnConstants[3])
      w4 = w4 &+ small1(w2) &+ w13 &+ small0(w5)
      round(e, f, g, &h, a, b, c, &d, w4 &+ turnConstants[4])
      w5 = w5 &+ small1(w3) &+ w14 &+ small0(w6)
      round(d, e, f, &g, h, a, b, &c, w5 &+ turnConstants[5])
      w6 = w6 &+ small1(w4) &+ w15 &+ small0(w7)
      round(c, d, e, &f, g, h, a, &b, w6 &+ turnConstants[6])
      w7 = w7 &+ small1(w5) &+ w0 &+ small0(w8)
      round(b, c, d, &e, f, g, h, &a, w7 &+ turnConstants[7])
      w8 = w8 &+ small1(w6) &+ w1 &+ small0(w9)
      round(a, b, c, &d, e, f, g, &h, w8 &+ turnConstants[8])
      w9 = w9 &+ small1(w7) &+ w2 &+ small0(w10)
      round(h, a, b, &c, d, e, f, &g, w9 &+ turnConstants[9])
      w10 = w10 &+ small1(w8) &+ w3 &+ small0(w11)
      round(g, h, a, &b, c, d, e, &f, w10 &+ turnConstants[10])
      w11 = w11 &+ small1(w9) &+ w4 &+ small0(w12)
      round(f, g, h, &a, b, c, d, &e, w11 &+ turnConstants[11])
      w12 = w12 &+ small1(w10) &+ w5 &+ small0(w13)
      round(e, f, g, &h, a, b, c, &d, w12 &+ turnConstants[12])
      w13 = w13 &+ small1(w11) &+ w6 &+ small0(w14)
      round(d, e, f, &g, h, a, b, &c, w13 &+ turnConstants[13])
      w14 = w14 &+ small1(w12) &+ w7 &+ small0(w15)
      round(c, d, e, &f, g, h, a, &b, w14 &+ turnConstants[14])
      w15 = w15 &+ small1(w13) &+ w8 &+ small0(w0)
      round(b, c, d, &e, f, g, h, &a, w15 &+ turnConstants[15])
      turn &+= 16
    }
    state[0] &+= a
    state[1] &+= b
    state[2] &+= c
    state[3] &+= d
    state[4] &+= e
    state[5] &+= f
    state[6] &+= g
    state[7] &+= h
  }
}
