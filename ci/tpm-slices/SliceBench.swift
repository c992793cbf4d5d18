// SliceBench: runs TPM commands slice by slice and writes what the longest slice of each took.
import TPM

/// Measures each command twice: with the engine's own budget, and cut as finely as it can be.
public final class SliceBench {
  private let host: SliceHost
  private var engine: TPMEngine
  private var isSound = true
  private let heapBefore: UInt64

  /// A bench with a TPM of its own, made of fixed entropy: every run measures the same.
  public init(_ host: SliceHost) {
    self.host = host
    heapBefore = host.heapBytes()
    let entropy = [UInt8](repeating: 0x5A, count: 64)
    engine = TPMEngine(entropy: entropy.span, banks: [.sha1, .sha256, .sha384, .sha512])
    engine.powerOn(milliseconds: 0)
  }

  /// Runs all and ends the machine; `isFull` with the operations on secrets that take longest.
  public func run(isFull: Bool) {
    measure("Startup", command(0x144, [0, 0]))
    measure("SelfTest", command(0x143, [1]))
    measure("GetCapability commands", command(0x17A, u32(2) + u32(0x11F) + u32(254)))
    measure("GetRandom", command(0x17B, [0, 64]))
    buffers()
    for (name, curve) in [("P-256", 3), ("P-384", 4)] { elliptic(name, curve) }
    for (name, bits) in [("RSA-2048", 2048), ("RSA-3072", 3072)] { rsa(name, bits) }
    memory()
    var secrets = SecretBench(host)
    secrets.run(isFull: isFull)
    host.write("-----END APUS SLICES-----\n")
    host.end(isSound)
  }

  // MARK: - Measuring

  private struct Cost {
    var slices: UInt64 = 0
    var longest: UInt64 = 0
    var total: UInt64 = 0
  }

  private func run(_ bytes: [UInt8], budget: Int) -> Cost {
    var cost = Cost()
    engine.begin(bytes, locality: 0, milliseconds: 1)
    while true {
      let start = host.now()
      let isDone = engine.advance(budget: budget)
      let took = host.now() &- start
      cost.slices &+= 1
      cost.total &+= took
      cost.longest = max(cost.longest, took)
      if isDone { return cost }
    }
  }

  @discardableResult
  private func measure(_ name: String, _ bytes: [UInt8], repeats: Bool = true) -> [UInt8] {
    // The generator has moved on the second time: the same work on other values.
    let fine = repeats ? run(bytes, budget: 1) : Cost()
    if repeats, name.utf8.elementsEqual("Startup".utf8) { engine.powerOn(milliseconds: 0) }
    if repeats { flush() }
    let cost = run(bytes, budget: TPMEngine.slice)
    let answer = engine.response
    if word(answer, 6) != 0 { isSound = false }
    host.write("{\"command\":\"")
    host.write(name)
    host.write("\",\"code\":")
    host.write(UInt64(word(answer, 6)))
    host.write(",\"slices\":")
    host.write(cost.slices)
    host.write(",\"longest\":")
    host.write(cost.longest)
    host.write(",\"total\":")
    host.write(cost.total)
    host.write(",\"longest_step\":")
    host.write(fine.longest)
    host.write("}\n")
    return answer
  }

  /// Flushes what the first of two runs loaded.
  private func flush() {
    let answer = engine.response
    guard word(answer, 6) == 0, word(answer, 10) &>> 8 == 0x0080_0000 else { return }
    switch answer.count {
    case 14...:
      if answer[0] == 0x80 { _ = engine.execute(command(0x165, u32(word(answer, 10))), milliseconds: 1) }
    default: break
    }
  }

  private func drop(_ handle: UInt32) { _ = engine.execute(command(0x165, u32(handle)), milliseconds: 1) }

  private func memory() {
    host.write("{\"memory\":")
    host.write(host.heapBytes() &- heapBefore)
    host.write(",\"engine\":")
    host.write(UInt64(MemoryLayout<TPMEngine>.size))
    host.write("}\n")
  }

  // MARK: - Commands

  private func primary(_ name: String, _ template: [UInt8], repeats: Bool = true) -> UInt32 {
    word(
      measure(
        name,
        command(0x131, [0x4000_0001], sessions: 1, sized(u32(0)) + sized(template) + u16(0) + u32(0)),
        repeats: repeats), 10)
  }

  private func buffers() {
    let kilobyte = [UInt8](repeating: 0x5A, count: 1024)
    measure("PCR_Event of 1 KiB", command(0x13C, [16], sessions: 1, sized(kilobyte)))
    measure("PCR_Read", command(0x17E, u32(1) + u16(0xB) + [3, 0xFF, 0, 0]))
    for (name, hash) in [("SHA-1", 4), ("SHA-256", 0xB), ("SHA-384", 0xC), ("SHA-512", 0xD)] {
      measure("Hash \(name) of 1 KiB", command(0x17D, sized(kilobyte) + u16(hash) + u32(0x4000_0007)))
    }
    let cipher = primary("CreatePrimary AES", Template.cipher)
    for (name, mode) in [("CTR", 0x40), ("OFB", 0x41), ("CBC", 0x42), ("CFB", 0x43), ("ECB", 0x44)] {
      let iv = mode == 0x44 ? u16(0) : sized([UInt8](repeating: 1, count: 16))
      for (verb, decrypt) in [("Encrypt", UInt8(0)), ("Decrypt", 1)] {
        measure(
          "\(verb) AES-256-\(name) of 1 KiB",
          command(0x193, [cipher], sessions: 1, sized(kilobyte) + [decrypt] + u16(mode) + iv))
      }
    }
    drop(cipher)
    let mac = primary("CreatePrimary HMAC", Template.mac)
    measure("HMAC of 1 KiB", command(0x155, [mac], sessions: 1, sized(kilobyte) + u16(0xB)))
    drop(mac)
    let area = u32(0x0150_0001) + u16(0xB) + u32(0x0004_0004) + u16(0) + u16(1024)
    measure(
      "NV_DefineSpace", command(0x12A, [0x4000_0001], sessions: 1, u16(0) + sized(area)), repeats: false)
    measure(
      "NV_Write of 1 KiB", command(0x137, [0x0150_0001, 0x0150_0001], sessions: 1, sized(kilobyte) + u16(0)))
    for (name, symmetric) in [("AES", u16(6) + u16(128) + u16(0x43)), ("XOR", u16(0xA) + u16(0xB))] {
      encrypted(name, symmetric, kilobyte)
    }
    measure("NV_Read of 1 KiB", command(0x14E, [0x0150_0001, 0x0150_0001], sessions: 1, u16(1024) + u16(0)))
  }

  /// Parameters of 1 KiB that a session encrypts, both ways.
  private func encrypted(_ name: String, _ symmetric: [UInt8], _ kilobyte: [UInt8]) {
    let nonce = sized([UInt8](repeating: 7, count: 16))
    let session = word(
      measure(
        "StartAuthSession, \(name)",
        command(0x176, u32(0x4000_0007) + u32(0x4000_0007) + nonce + u16(0) + [0] + symmetric + u16(0xB)),
        repeats: false), 10)
    for (verb, code, attribute, parameters) in [
      ("NV_Write", UInt32(0x137), UInt8(0x21), sized(kilobyte) + u16(0)),
      ("NV_Read", 0x14E, 0x41, u16(1024) + u16(0)),
    ] {
      let password = u32(0x4000_0009) + [0, 0, 1, 0, 0]
      let entry = u32(session) + u16(0) + [attribute] + u16(0)
      let body =
        u32(0x0150_0001) + u32(0x0150_0001) + u32(UInt32(password.count &+ entry.count)) + password + entry
        + parameters
      measure(
        "\(verb) of 1 KiB, encrypted by \(name)",
        u16(0x8002) + u32(UInt32(10 &+ body.count)) + u32(code) + body, repeats: false)
    }
    drop(session)
  }

  private func elliptic(_ name: String, _ curve: Int) {
    let storage = primary("CreatePrimary \(name)", Template.eccStorage(curve))
    children(name, storage)
    let key = primary("CreatePrimary \(name) signing", Template.eccSign(curve))
    sign(name, key)
    attest(name, key)
    drop(key)
    let exchange = primary("CreatePrimary \(name) exchange", Template.eccExchange(curve))
    let pair = measure("ECDH_KeyGen \(name)", command(0x163, u32(exchange)))
    let point = field(pair, 10)
    measure("ECDH_ZGen \(name)", command(0x154, [exchange], sessions: 1, sized(point)))
    let made = measure("EC_Ephemeral \(name)", command(0x18E, u16(curve)))
    var counter: [UInt8] = []
    if made.count >= 2 { counter = [made[made.count &- 2], made[made.count &- 1]] }
    measure(
      "ZGen_2Phase \(name)",
      command(0x18D, [exchange], sessions: 1, sized(point) + sized(point) + u16(0x19) + counter),
      repeats: false)
    drop(exchange)
    drop(storage)
  }

  private func rsa(_ name: String, _ bits: Int) {
    if bits == 2048 {
      let storage = primary("CreatePrimary \(name)", Template.rsaStorage(bits), repeats: false)
      children(name, storage)
      drop(storage)
    }
    let key = primary("CreatePrimary \(name) of any use", Template.rsaAny(bits), repeats: false)
    sign(name, key, u16(0x16) + u16(0xB))
    let message = [UInt8](repeating: 7, count: 32)
    let oaep = u16(0x17) + u16(0xB) + u16(0)
    let sealed = measure("RSA_Encrypt \(name)", command(0x174, u32(key) + sized(message) + oaep))
    measure(
      "RSA_Decrypt \(name)", command(0x159, [key], sessions: 1, sized(field(sealed, 10)) + oaep))
    drop(key)
  }

  /// Create, Load, seal, unseal, contexts and a salted session below a storage key.
  private func children(_ name: String, _ parent: UInt32) {
    let made = measure(
      "Create \(name) child",
      command(0x153, [parent], sessions: 1, sized(u32(0)) + sized(Template.eccSign(3)) + u16(0) + u32(0)))
    let secret = field(made, 14)
    let open = field(made, 16 &+ secret.count)
    let child = word(
      measure("Load below \(name)", command(0x157, [parent], sessions: 1, sized(secret) + sized(open))), 10)
    let saved = measure("ContextSave", command(0x162, u32(child)))
    drop(child)
    var context: [UInt8] = []
    for index in 10..<max(10, saved.count) { context.append(saved[index]) }
    drop(word(measure("ContextLoad", command(0x161, context), repeats: false), 10))
    let data = [UInt8](repeating: 3, count: 128)
    let blob = measure(
      "Create sealed below \(name)",
      command(
        0x153, [parent], sessions: 1, sized(u16(0) + sized(data)) + sized(Template.sealed) + u16(0) + u32(0)))
    let sealed = field(blob, 14)
    let object = word(
      measure(
        "Load sealed below \(name)",
        command(0x157, [parent], sessions: 1, sized(sealed) + sized(field(blob, 16 &+ sealed.count)))), 10)
    measure("Unseal", command(0x15E, [object], sessions: 1, []))
    drop(object)
    let credential =
      sized([UInt8](repeating: 5, count: 32)) + sized(u16(0xB) + [UInt8](repeating: 6, count: 32))
    measure("MakeCredential for \(name)", command(0x168, u32(parent) + credential))
  }

  private func sign(_ name: String, _ key: UInt32, _ scheme: [UInt8] = u16(0x10)) {
    let digest = sized([UInt8](repeating: 9, count: 32))
    let ticket = u16(0x8024) + u32(0x4000_0007) + u16(0)
    let answer = measure("Sign \(name)", command(0x15D, [key], sessions: 1, digest + scheme + ticket))
    var signature: [UInt8] = []
    for index in 14..<max(14, answer.count &- 5) { signature.append(answer[index]) }
    measure("VerifySignature \(name)", command(0x177, u32(key) + digest + signature))
  }

  private func attest(_ name: String, _ key: UInt32) {
    measure(
      "Quote \(name)",
      command(0x158, [key], sessions: 1, u16(0) + u16(0x10) + u32(1) + u16(0xB) + [3, 0xFF, 0xFF, 0xFF]))
    measure("Certify \(name)", command(0x148, [key, key], sessions: 2, u16(0) + u16(0x10)))
  }
}
