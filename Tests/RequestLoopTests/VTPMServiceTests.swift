// VTPMServiceTests: statements D.95 to D.103 of snp-svsm.md over the real engine, and whose job is whose.
import Crypto
import Model
import RequestLoop
import SNP
import SVSMProtocol
import Seams
import TPM
import Tasks
import Testing
import VTPM
import X86

private struct Host: VTPMHost {
  func milliseconds() -> UInt64 { 1 }
  func entropy() -> InlineArray<48, UInt8>? { InlineArray(repeating: 0x42) }
}

private struct Dry: VTPMHost {
  func milliseconds() -> UInt64 { 1 }
  func entropy() -> InlineArray<48, UInt8>? { nil }
}

private typealias Table = Protocols<VTPMService<ModelPlatform, Host>, CoreOnly>

private func failures(_ body: @escaping @Sendable (Service<Table>, VTPMState) async -> Void) -> [String] {
  let entropy = InlineArray<48, UInt8>(repeating: 7)
  let state = VTPMState(TPMEngine(entropy: entropy.span), milliseconds: 0)
  return failures(
    { world in
      CoreOnly().with(
        VTPMService(
          state, host: Host(), buffer: GuestBuffer(platform: ModelPlatform(world), states: world.guest.pages))
      )
    },
    { await body($0, state) })
}

/// TPM commands.
private enum Command {
  static let startUp: [UInt8] = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0]
  static let random: [UInt8] = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7B, 0, 16]
  static let unknown: [UInt8] = [0x80, 1, 0, 0, 0, 10, 0, 0, 0x7F, 0x7F]
  /// CreatePrimary in the null hierarchy of an RSA-2048 storage key: many slices.
  static let primary: [UInt8] =
    [0x80, 2, 0, 0, 0, 67, 0, 0, 1, 0x31, 0x40, 0, 0, 7, 0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0]
    + [0, 4, 0, 0, 0, 0] + [0, 26, 0, 1, 0, 11, 0, 3, 4, 0x72, 0, 0, 0, 6, 0, 0x80, 0, 0x43]
    + [0, 0x10, 8, 0, 0, 0, 0, 0, 0, 0] + [0, 0, 0, 0, 0, 0]
  /// CreatePrimary in the endorsement hierarchy of the key of template L-1 (reference tpm.md 1.7).
  static var endorsementKey: [UInt8] {
    var template: [UInt8] = [0, 1, 0, 0x0B, 0, 3, 0, 0xB2, 0, 32]
    let policy = "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa"
    var rest = policy[...]
    while let byte = UInt8(rest.prefix(2), radix: 16) {
      template.append(byte)
      rest = rest.dropFirst(2)
    }
    template += [0, 6, 0, 0x80, 0, 0x43, 0, 0x10, 8, 0, 0, 0, 0, 0, 1, 0]
    template += [UInt8](repeating: 0, count: 256)
    var body: [UInt8] = [0x40, 0, 0, 0x0B, 0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]
    body += [UInt8(template.count >> 8), UInt8(template.count & 0xFF)] + template + [0, 0, 0, 0, 0, 0]
    let size = body.count + 10
    return [0x80, 2, 0, 0, UInt8(size >> 8), UInt8(size & 0xFF), 0, 0, 1, 0x31] + body
  }
}

private func put(
  _ world: World, _ address: UInt64, _ command: [UInt8], platform: UInt32 = 8, locality: UInt8 = 0,
  length: UInt32? = nil
) {
  var bytes: [UInt8] = (0..<4).map { UInt8(truncatingIfNeeded: platform >> (8 * $0)) }
  bytes.append(locality)
  let count = length ?? UInt32(command.count)
  bytes += (0..<4).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + command
  for (index, byte) in bytes.enumerated() {
    let place = address + UInt64(index)
    let shift = place & 7 * 8
    let old = world.word(place >> 12, Int(place & 0xFF8))
    world.setWord(place >> 12, Int(place & 0xFF8), old & ~(0xFF << shift) | UInt64(byte) << shift)
  }
}

/// Size and TPM response code of an answer.
private func answer(_ world: World, _ address: UInt64) -> (size: UInt64, code: UInt32) {
  func byte(_ offset: UInt64) -> UInt64 {
    let place = address + offset
    return world.word(place >> 12, Int(place & 0xFF8)) >> (place & 7 * 8) & 0xFF
  }
  let size = (0..<4).reduce(0) { $0 | byte($1) << (8 * $1) }
  return (size, (10..<14).reduce(0) { $0 << 8 | UInt32(byte($1)) })
}

@Suite struct VTPMServiceTests {
  private let buffer: UInt64 = 220 << 12

  @Test func d79_d95_d103_DiscoveryAndUnknownCalls() {
    #expect(
      failures { (service, _) in
        let world = service.world
        world.equal(
          await service.call(.queryProtocol, rcx: ProtocolQuery.rcx(.vTPM, version: 1)).rcx, 0x1_0000_0001)
        world.equal(await service.call(.vTPMQuery, rcx: 5, rdx: 6), Answer(rax: 0, rcx: 0x100, rdx: 0, r8: 0))
        world.equal(await service.call(CallID(.vTPM, 2)).result, .unsupportedCall)
      } == [])
  }

  @Test func d96_d97_d100_CommandsAreAnsweredByTheTPM() {
    #expect(
      failures { (service, _) in
        let world = service.world
        put(world, buffer, Command.startUp)
        world.equal(await service.callUntilDone(.vTPMCommand, rcx: buffer).answer.result, .success)
        world.check(answer(world, buffer) == (10, 0), "Startup: \(answer(world, buffer))")
        put(world, buffer, Command.random)
        world.equal(await service.callUntilDone(.vTPMCommand, rcx: buffer).answer.result, .success)
        world.check(answer(world, buffer) == (28, 0), "GetRandom: \(answer(world, buffer))")
        put(world, buffer, Command.unknown)
        world.equal(await service.callUntilDone(.vTPMCommand, rcx: buffer).answer.result, .success, "D.97")
        world.check(answer(world, buffer).code != 0, "D.97")
        put(world, buffer, Command.random + [0])
        world.equal(await service.callUntilDone(.vTPMCommand, rcx: buffer).answer.result, .success, "D.100")
        world.equal(answer(world, buffer).code, 0x142, "D.100: TPM_RC_COMMAND_SIZE")
      } == [])
  }

  @Test func d77_AKernelWithoutMemoryAsksForPagesAndBeginsNothing() {
    #expect(
      failures { (service, _) in
        let world = service.world
        world.exchange.needed = 3
        put(world, buffer, Command.startUp)
        for _ in 0..<2 {
          let refused = await service.call(.vTPMCommand, rcx: buffer)
          world.equal(refused.result.neededPageCount, 3, "D.77")
        }
        world.equal(world.word(buffer >> 12, 0), 8 | 12 << 40, "the buffer is as it was")
        world.equal(
          await service.call(CallID(.attestation, 0)).result, .unsupportedProtocol, "absent all the same")
        world.equal(
          await service.call(.queryProtocol, rcx: ProtocolQuery.rcx(.vTPM, version: 1)).rcx, 0x1_0000_0001)
        for (number, page) in [90, 91, 92].enumerated() as EnumeratedSequence<[UInt64]> {
          world.equal(
            await service.call(.vTPMCommand, rcx: buffer).result.neededPageCount, UInt32(3 - number))
          world.putList(World.startUpArea << 12 + 8, [page << 12])
          world.equal(await service.call(.depositMemory, rcx: World.startUpArea << 12 + 8).result, .success)
        }
        world.equal(await service.callUntilDone(.vTPMCommand, rcx: buffer).answer.result, .success)
        world.check(answer(world, buffer) == (10, 0), "Startup ran once: \(answer(world, buffer))")
      } == [])
  }

  @Test func d98_d99_d101_BadBuffers() {
    #expect(
      failures { (service, _) in
        let world = service.world
        func send(_ address: UInt64) async -> ResultCode {
          await service.callUntilDone(.vTPMCommand, rcx: address).answer.result
        }
        world.equal(await send(0), .invalidParameter)
        for platform in [0, 1, 9, .max] as [UInt32] {
          put(world, buffer, Command.random, platform: platform)
          world.equal(await send(buffer), .invalidParameter, "platform command \(platform)")
        }
        put(world, buffer, Command.random, locality: 1)
        world.equal(await send(buffer), .invalidParameter, "locality")
        for length in [4088, .max] as [UInt32] {
          put(world, buffer, Command.random, length: length)
          world.equal(await send(buffer), .invalidParameter, "length \(length)")
        }
        put(world, buffer + 0xFF0, Command.startUp)
        world.equal(await send(buffer + 0xFF0), .success, "D.99: across two pages")
        put(world, 255 << 12 + 0xFF0, Command.startUp)
        world.equal(await send(255 << 12 + 0xFF0), .invalidAddress, "D.99: the second page is not valid")
        for bad in [World.kernel << 12, World.startUpVMSA << 12, 1 << 45, UInt64.max - 100, 300 << 12] {
          world.equal(await send(bad), .invalidAddress, "D.101 \(bad)")
        }
      } == [])
  }

  @Test func d102_ALongCommandIsCutAndAnotherVCPUHelpsAndIsBusy() {
    #expect(
      failures { (service, _) in
        let world = service.world
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        put(world, buffer, Command.startUp)
        _ = await service.callUntilDone(.vTPMCommand, rcx: buffer)
        put(world, buffer, Command.primary)
        world.equal(await service.call(.vTPMCommand, rcx: buffer).result, .incomplete, "a slice")
        let other: UInt64 = 230 << 12
        put(world, other, Command.random)
        world.equal(await service.call(.vTPMCommand, rcx: other, cpu: 1).result, .busy, "the other helps")
        // The other alone, until the first one's command is done and its own too.
        let helped = await service.callUntilDone(.vTPMCommand, rcx: other, cpu: 1, limit: 100_000)
        world.equal(helped.answer.result, .success)
        world.check(answer(world, other) == (28, 0), "its own answer: \(answer(world, other))")
        world.equal(await service.call(.vTPMCommand, rcx: buffer).result, .success, "collected at once")
        world.equal(answer(world, buffer).code, 0, "the first one's own answer")
        world.check(answer(world, buffer).size > 300, "a key: \(answer(world, buffer))")
      } == [])
  }

  @Test func aVCPUThatNeverComesBackOrIsDeletedCannotHoldTheTPM() {
    #expect(
      failures { (service, _) in
        let world = service.world
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        put(world, buffer, Command.startUp)
        _ = await service.callUntilDone(.vTPMCommand, rcx: buffer)
        let other: UInt64 = 230 << 12
        put(world, other, Command.primary)
        world.equal(await service.call(.vTPMCommand, rcx: other, cpu: 1).result, .incomplete)
        world.equal(await service.call(.deleteVCPU, rcx: 40 << 12).result, .success)
        put(world, buffer, Command.random)
        world.equal(await service.call(.vTPMCommand, rcx: buffer).result, .success, "its job is gone at once")
        world.equal(await service.create(1, vmsa: 40, area: 41), .success)
        put(world, other, Command.random)
        world.equal(
          await service.call(.vTPMCommand, rcx: other, cpu: 1).result, .success, "nor does it inherit one")
      } == [])
  }

  @Test func anotherCommandOfTheSameVCPUDropsTheOldOne() {
    #expect(
      failures { (service, _) in
        let world = service.world
        put(world, buffer, Command.startUp)
        _ = await service.callUntilDone(.vTPMCommand, rcx: buffer)
        put(world, buffer, Command.primary)
        world.equal(await service.call(.vTPMCommand, rcx: buffer).result, .incomplete)
        put(world, buffer, Command.random)
        world.equal(await service.call(.vTPMCommand, rcx: buffer).result, .success)
        world.check(answer(world, buffer) == (28, 0), "\(answer(world, buffer))")
      } == [])
  }

  @Test func aTPMThatAnotherCPUHasIsBusyAndNothingIsLost() {
    #expect(
      failures { (service, state) in
        let world = service.world
        put(world, buffer, Command.startUp)
        world.check(state.take(), "free")
        world.equal(await service.call(.vTPMCommand, rcx: buffer).result, .busy)
        state.giveBack()
        world.equal(await service.call(.vTPMCommand, rcx: buffer).result, .success)
        world.check(answer(world, buffer) == (10, 0), "executed once: \(answer(world, buffer))")
      } == [])
  }

  @Test func aTPMWithoutEntropyIsAnAbsentProtocol() {
    let found = failures({ world in
      CoreOnly().with(
        VTPMService(
          VTPMState.make(Dry()), host: Host(),
          buffer: GuestBuffer(platform: ModelPlatform(world), states: world.guest.pages)))
    }) { service in
      let world = service.world
      world.equal(await service.call(.queryProtocol, rcx: ProtocolQuery.rcx(.vTPM, version: 1)).rcx, 0)
      world.equal(await service.call(.vTPMQuery).result, .unsupportedProtocol)
    }
    #expect(found == [])
  }

  @Test func theManifestsKeyIsTheOneThatTheGuestsCreatePrimaryGives() {
    #expect(
      failures { (service, state) in
        let world = service.world
        func key() -> (bytes: [UInt8], slices: Int) {
          for slice in 0..<100_000 {
            do throws(ResultCode) {
              return (try state.endorsementKey(), slice)
            } catch {
              if error != .incomplete { world.check(false, "\(error)") }
            }
          }
          return ([], 0)
        }
        // Before Startup, and without an object's slot.
        let made = key()
        world.equal(made.bytes.count, 314, "TPMT_PUBLIC with its modulus")
        world.check(made.slices > 10, "it is cut: \(made.slices)")
        world.equal(key().slices, 0, "made once")
        put(world, buffer, Command.startUp)
        _ = await service.callUntilDone(.vTPMCommand, rcx: buffer)
        put(world, buffer, Command.endorsementKey)
        let done = await service.callUntilDone(.vTPMCommand, rcx: buffer, limit: 100_000)
        world.equal(done.answer.result, .success)
        world.equal(answer(world, buffer).code, 0)
        let other = (0..<314).map { index in
          let place = buffer + 4 + 20 + UInt64(index)
          return UInt8(truncatingIfNeeded: world.word(place >> 12, Int(place & 0xFF8)) >> (place & 7 * 8))
        }
        world.equal(other, made.bytes)
      } == [])
  }

  @Test func aKeyForTheManifestInTheMakingHoldsNobody() {
    #expect(
      failures { (service, state) in
        let world = service.world
        put(world, buffer, Command.startUp)
        _ = await service.callUntilDone(.vTPMCommand, rcx: buffer)
        do throws(ResultCode) {
          _ = try state.endorsementKey()
        } catch {
          world.equal(error, .incomplete)
        }
        put(world, buffer, Command.random)
        world.equal(await service.call(.vTPMCommand, rcx: buffer).result, .busy, "it helps")
        let helped = await service.callUntilDone(.vTPMCommand, rcx: buffer, limit: 100_000)
        world.equal(helped.answer.result, .success)
        world.check(answer(world, buffer) == (28, 0), "\(answer(world, buffer))")
        world.check((try? state.endorsementKey()) != nil, "the key is there")
      } == [])
  }
}
