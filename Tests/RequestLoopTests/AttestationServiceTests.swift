// AttestationServiceTests: statements D.83 to D.92 of snp-svsm.md, as far as the service and not the platform has them.
import Attestation
import Crypto
import Model
import RequestLoop
import SNP
import SVSMProtocol
import Seams
import Tasks
import Testing
import X86

/// A source whose report holds the data where hardware puts it (offset 0x50).
private final class Source: ReportSource, @unchecked Sendable {
  var neededCertificates = 0
  var isRefusing = false
  /// Slices until the manifest is there.
  var slices = 0
  let reportByteCount = 0x4A0

  nonisolated(nonsending) func report(
    over data: InlineArray<64, UInt8>, certificateByteCount: Int
  ) async throws(ReportFailure) -> AttestationEvidence {
    if isRefusing { throw .refused }
    if certificateByteCount > 0, certificateByteCount < neededCertificates {
      throw .certificates(byteCount: UInt64(neededCertificates))
    }
    var report = [UInt8](repeating: 0xEE, count: reportByteCount)
    for index in 0..<64 { report[0x50 + index] = data[index] }
    let certificates = certificateByteCount > 0 ? neededCertificates : 0
    return AttestationEvidence(report: report, certificates: [UInt8](repeating: 0xCE, count: certificates))
  }
}

private typealias Table = Protocols<AttestationService<ModelPlatform, Source>, CoreOnly>
private let publicArea = [UInt8]((0..<100).map { UInt8($0) })

private func failures(_ body: @escaping @Sendable (Service<Table>, Source) async -> Void) -> [String] {
  let source = Source()
  return failures(
    { world in
      CoreOnly().with(
        AttestationService(
          source: source, buffer: GuestBuffer(platform: ModelPlatform(world), states: world.guest.pages),
          services: [
            AttestedService(.vTPM) { () throws(ResultCode) in
              if source.slices > 0 {
                source.slices -= 1
                throw .incomplete
              }
              return publicArea
            }, AttestedService(.uefiMM) { () throws(ResultCode) in [] },
          ]))
    },
    { await body($0, source) })
}

private let structure: UInt64 = 220 << 12
private let report: UInt64 = 221 << 12
private let nonce: UInt64 = 222 << 12
private let manifest: UInt64 = 223 << 12
private let certificates: UInt64 = 224 << 12

/// Writes the operation structure (reference snp-svsm.md A.7).
private func put(
  _ world: World, reportSize: UInt64 = 0x1000, nonceSize: UInt64 = 64, manifestSize: UInt64 = 0x1000,
  certificateSize: UInt64 = 0, id: ServiceID = .vTPM, version: UInt64 = 0
) {
  let words = [
    report, reportSize, nonce, nonceSize, manifest, manifestSize, certificates, certificateSize, id.low,
    id.high,
    version,
  ]
  for (index, word) in words.enumerated() { world.setWord(220, index * 8, word) }
  for index in 0..<8 { world.setWord(222, index * 8, 0x0101_0101_0101_0101 &* UInt64(index)) }
}

private func bytes(_ world: World, _ address: UInt64, _ count: Int) -> [UInt8] {
  (0..<count).map { index in
    let place = address + UInt64(index)
    return UInt8(truncatingIfNeeded: world.word(place >> 12, Int(place & 0xFF8)) >> (place & 7 * 8))
  }
}

/// SHA-512 over the nonce and what lies in the manifest buffer.
private func expected(_ world: World, _ count: Int) -> [UInt8] {
  var hash = Hasher(.sha512)
  let first = bytes(world, nonce, 64)
  let second = bytes(world, manifest, count)
  hash.update(first.span)
  hash.update(second.span)
  let digest = hash.finalize()
  return (0..<64).map { digest[$0] }
}

@Suite struct AttestationServiceTests {
  @Test func d83_d84_TheReportCoversNonceAndManifest() {
    #expect(
      failures { (service, _) in
        let world = service.world
        put(world)
        var answer = await service.call(.attestSingleService, rcx: structure, rdx: .max, r8: .max)
        world.equal(answer, Answer(rax: 0, rcx: 100, rdx: 0, r8: 0x4A0), "D.83")
        world.equal(bytes(world, manifest, 100), publicArea, "D.83")
        world.equal(bytes(world, report + 0x50, 64), expected(world, 100), "D.83")
        answer = await service.call(.attestServices, rcx: structure, rdx: .max, r8: .max)
        world.equal(answer, Answer(rax: 0, rcx: 172, rdx: 0, r8: 0x4A0), "D.84")
        let table = bytes(world, manifest, 172)
        world.equal(world.word(223, 0), ServiceID.manifest.low, "D.84")
        world.equal(world.word(223, 8), ServiceID.manifest.high, "D.84")
        world.equal(world.word(223, 16), 172 | 2 << 32, "D.84: size and count")
        world.equal(world.word(223, 40), 72 | 100 << 32, "D.84: offset and size")
        world.equal(world.word(223, 64), 172 | 0 << 32, "D.84: a service without manifest is listed")
        world.equal(Array(table[72...]), publicArea, "D.84")
        world.equal(bytes(world, report + 0x50, 64), expected(world, 172), "D.84")
      } == [])
  }

  @Test func aManifestInTheMakingIsIncompleteAndNothingIsWritten() {
    #expect(
      failures { (service, source) in
        let world = service.world
        put(world)
        source.slices = 3
        for _ in 0..<3 {
          let answer = await service.call(.attestSingleService, rcx: structure, rdx: .max, r8: .max)
          world.equal(answer, Answer(rax: 0x8000_0000, rcx: structure, rdx: .max, r8: .max))
          world.equal(bytes(world, report, 8), [UInt8](repeating: 0, count: 8))
        }
        world.equal(await service.call(.attestSingleService, rcx: structure).rcx, 100)
        source.slices = 1
        world.equal(await service.call(.attestServices, rcx: structure).result, .incomplete)
        world.equal(await service.call(.attestServices, rcx: structure).rcx, 172)
      } == [])
  }

  @Test func d85_d86_d87_ABufferThatIsTooSmallIsToldTheSizes() {
    #expect(
      failures { (service, source) in
        let world = service.world
        put(world, manifestSize: 99)
        let wanted = Answer(rax: 0x8000_0005, rcx: 100, rdx: 0, r8: 0x4A0)
        world.equal(
          await service.call(.attestSingleService, rcx: structure, rdx: .max, r8: .max), wanted, "D.85")
        world.equal(bytes(world, report, 8), [UInt8](repeating: 0, count: 8), "D.85: untouched")
        put(world, manifestSize: 100)
        world.equal(await service.call(.attestSingleService, rcx: structure).result, .success, "D.85")
        put(world, reportSize: 0x49F)
        world.equal(
          await service.call(.attestSingleService, rcx: structure, rdx: .max, r8: .max), wanted, "D.86")
        source.neededCertificates = 0x3000
        put(world, certificateSize: 0x1000)
        let certified = await service.call(.attestSingleService, rcx: structure, rdx: .max, r8: .max)
        world.equal(certified, Answer(rax: 0x8000_0005, rcx: 100, rdx: 0x3000, r8: 0x4A0), "D.87")
        put(world, certificateSize: 0x4000)
        world.equal(await service.call(.attestSingleService, rcx: structure).rdx, 0x3000, "D.87")
        world.equal(bytes(world, certificates + 0x2FFF, 1), [0xCE], "D.87")
        source.neededCertificates = 0
        world.equal(
          await service.call(.attestSingleService, rcx: structure, rdx: .max).rdx, 0,
          "D.87: the host has none")
      } == [])
  }

  @Test func d88_d89_d91_d92_MalformedRequestsChangeNothing() {
    #expect(
      failures { (service, source) in
        let world = service.world
        func single() async -> Answer {
          await service.call(.attestSingleService, rcx: structure, rdx: .max, r8: .max)
        }
        func refused(_ result: ResultCode, _ what: String) async {
          world.equal(await single(), Answer(rax: result.rax, rcx: structure, rdx: .max, r8: .max), what)
        }
        for size in [0, 63, 65] as [UInt64] {
          put(world, nonceSize: size)
          await refused(.invalidParameter, "D.88 \(size)")
        }
        put(world)
        world.setWord(220, 0x10, nonce + 0xFC1)
        await refused(.invalidParameter, "D.88: across a page")
        for word in [1, 3, 5, 7, 10] {
          put(world)
          world.setWord(220, word * 8, world.word(220, word * 8) | 1 << 63)
          await refused(.invalidParameter, "D.89: reserved in word \(word)")
        }
        for word in [0, 4] {
          put(world)
          world.setWord(220, word * 8, world.word(220, word * 8) + 8)
          await refused(.invalidParameter, "D.89: misaligned word \(word)")
        }
        put(world, version: 1)
        await refused(.invalidParameter, "D.91: version")
        put(world, id: .manifest)
        await refused(.unsupportedProtocol, "D.91: service")
        world.equal(await service.call(CallID(.attestation, 2)).result, .unsupportedCall, "D.91: call")
        source.isRefusing = true
        put(world)
        await refused(.invalidRequest, "D.92")
      } == [])
  }

  @Test func d90_BuffersThatAreNotTheGuestsAreRefusedBeforeTheReport() {
    #expect(
      failures { (service, source) in
        let world = service.world
        source.isRefusing = true  // so that INVALID_ADDRESS shows that it was never asked
        for bad in [World.kernel << 12, World.startUpVMSA << 12, 300 << 12, 0xFFFF_FFFF_FFFF_F000] {
          for word in [0, 4, 6] {
            put(world, certificateSize: 0x1000)
            world.setWord(220, word * 8, bad)
            let answer = await service.call(.attestSingleService, rcx: structure, rdx: .max, r8: .max)
            world.equal(answer.result, .invalidAddress, "D.90 word \(word) \(bad)")
            world.equal(answer.r8, .max, "D.92")
          }
          world.equal(await service.call(.attestServices, rcx: bad).result, .invalidAddress)
        }
      } == [])
  }
}
