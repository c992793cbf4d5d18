// StateTests: both state blobs come back whole; hostile ones are refused or harmless.
import Crypto
import TPM
import TestSupport
import Testing

@Suite struct StateTests {
  static let key = [UInt8](repeating: 9, count: 32)

  static func furnished() -> TestTPM {
    let tpm = TestTPM()
    tpm.send(
      0x12A, handles: [0x4000_0001], passwords: [""],
      sized([]) + sized(big32(0x0150_0000) + big16(0xB) + big32(0x0004_0004) + sized([]) + big16(64)))
    let storage = tpm.createPrimary(0x4000_0001, Template.srk).word(10)
    tpm.send(0x120, handles: [0x4000_0001, storage], passwords: [""], big32(0x8100_0001))
    _ = tpm.createPrimary(0x4000_000B, Template.attestation())
    let sequence = tpm.send(0x186, sized([]) + big16(0xB)).word(10)
    tpm.send(0x15C, handles: [sequence], passwords: [""], sized(Array("ab".utf8)))
    tpm.send(0x182, handles: [3], passwords: [""], big32(1) + big16(0xB) + [UInt8](repeating: 1, count: 32))
    for kind: UInt8 in [0, 1, 3] { _ = tpm.startSession(kind) }
    return tpm
  }

  static func moved(_ state: [UInt8], _ volatile: [UInt8], now: UInt64 = 5_000_000) -> TestTPM? {
    let entropy = [UInt8](repeating: 3, count: 64)
    guard var engine = TPMEngine(blob: state, key: key.span, entropy: entropy.span) else { return nil }
    engine.powerOn(milliseconds: now)
    guard engine.restoreVolatile(volatile, key: key.span, milliseconds: now) else { return nil }
    let tpm = TestTPM(started: false)
    tpm.engine = engine
    tpm.now = now
    return tpm
  }

  static func resigned(_ blob: [UInt8]) -> [UInt8] {
    var body = Array(blob.dropLast(32))
    body.replaceSubrange(10..<14, with: big32(UInt32(body.count)))
    let mac = HMAC.code(.sha256, key: key.span, body.span)
    return body + (0..<32).map { mac[$0] }
  }

  @Test func aMovedTPMGoesOnWithSessionsObjectsSequencesAndPCRs() throws {
    let tpm = Self.furnished()
    let state = tpm.engine.stateBlob(key: Self.key.span)
    let volatile = tpm.engine.volatileBlob(key: Self.key.span)
    let other = try #require(Self.moved(state, volatile))
    #expect(other.engine.stateBlob(key: Self.key.span) == state)
    #expect(other.engine.volatileBlob(key: Self.key.span) == volatile)
    for body in [big32(0x8000_0000), big32(0x8000_0001), big32(0x8100_0001)] {
      #expect(tpm.send(0x173, body).isSuccess && tpm.send(0x173, body).bytes == other.send(0x173, body).bytes)
    }
    let pcrs = big32(1) + big16(0xB) + [3, 8, 0, 0]
    #expect(tpm.send(0x17E, pcrs).bytes == other.send(0x17E, pcrs).bytes)
    #expect(tpm.send(0x189, big32(0x0300_0001)).bytes == other.send(0x189, big32(0x0300_0001)).bytes)
    let done = other.send(
      0x13E, handles: [0x8000_0002], passwords: [""], sized(Array("c".utf8)) + big32(0x4000_0007))
    #expect(hex(done.sized(14)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    // Not with another state's blob.
    tpm.send(0x14F, handles: [0x4000_0001, 0x0150_0000], passwords: [""])
    tpm.send(0x145, [0, 0])
    #expect(Self.moved(tpm.engine.stateBlob(key: Self.key.span), volatile) == nil)
  }

  // CVE-2022-23645, CVE-2021-3746, libtpms 747e2795, openvmm's blob lengths: cut, flipped or with wrong sizes and
  // counts, a blob is refused. Even one whose code is right again loads or is refused, and never traps; every
  // command then has an answer.
  @Test func hostileBlobsAreRefusedOrHarmless() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("state seed \(seed)")
    let tpm = Self.furnished()
    let state = tpm.engine.stateBlob(key: Self.key.span)
    let volatile = tpm.engine.volatileBlob(key: Self.key.span)
    var random = SeededRandom(seed: seed)
    var (refused, loaded) = (0, 0)
    for round in 0..<(RunLength.isFull ? 20_000 : 600) {
      var blobs = [state, volatile]
      let which = random.below(2)
      var blob = blobs[which]
      switch random.below(4) {
      case 0: blob = Array(blob.prefix(random.below(blob.count)))
      case 1: for _ in 0...random.below(4) { blob[random.below(blob.count)] ^= 1 << UInt8(random.below(8)) }
      case 2:
        let place = random.below(blob.count - 1)
        blob.replaceSubrange(
          place..<(place + 2), with: big16(random.pick([0, 1, 0x40, 0xFF, 0x8000, 0xFFFF])))
      default:
        let place = random.below(blob.count)
        blob.insert(contentsOf: random.bytes(1 + random.below(40)), at: place)
      }
      blobs[which] = blob
      if blob != (which == 0 ? state : volatile) {
        #expect(Self.moved(blobs[0], blobs[1]) == nil, "seed \(seed)")
      }
      guard blob.count > 46 else { continue }
      blobs[which] = Self.resigned(blob)
      guard let other = Self.moved(blobs[0], blobs[1]) else {
        refused += 1
        continue
      }
      loaded += 1
      var generator = CommandGenerator(random: SeededRandom(seed: seed &+ UInt64(round)))
      for _ in 0..<20 {
        other.engine.begin(generator.command(), locality: 0, milliseconds: other.now)
        var slices = 0
        while slices < 500, !other.engine.advance() { slices += 1 }
        if slices == 500 { other.engine.abort() }
      }
      // A blob whose Startup was taken out is that of a TPM before it.
      let last = other.send(0x17C)
      #expect(last.isSuccess || last.code == 0x100, "seed \(seed)")
    }
    #expect(refused > 20 && loaded > 20)
  }
}
