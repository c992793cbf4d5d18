// StateDirectoryTests: a TPM's state on disk is the old or the new one, wherever power was cut.
import Foundation
import TPM
import TPMServer
import Testing

@Suite struct StateDirectoryTests {
  static func scratch() throws -> String {
    let path = FileManager.default.temporaryDirectory.path + "/apus-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    return path
  }

  static func big16(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }
  static func big32(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
  }

  static func command(_ code: UInt32, _ handles: [UInt32], _ parameters: [UInt8]) -> [UInt8] {
    let password = big32(0x4000_0009) + [0, 0, 1, 0, 0]
    let body =
      handles.flatMap { big32($0) } + (handles.isEmpty ? [] : big32(UInt32(password.count)) + password)
      + parameters
    return [0x80, handles.isEmpty ? 1 : 2] + big32(UInt32(10 + body.count)) + big32(code) + body
  }

  // Issue 7: a power cut at any write leaves the old or the new state.
  @Test(arguments: StateDirectory.Step.allCases)
  func aPowerCutLeavesTheOldOrTheNewState(_ step: StateDirectory.Step) throws {
    let path = try Self.scratch()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let directory = StateDirectory(path: path)
    let key = try #require(directory.key())
    let entropy = [UInt8](repeating: 4, count: 64)
    var engine = TPMEngine(entropy: entropy.span)
    engine.powerOn(milliseconds: 0)
    func run(_ command: [UInt8]) -> UInt32 {
      let answer = engine.execute(command, milliseconds: 10)
      return answer[6..<10].reduce(0) { $0 << 8 | UInt32($1) }
    }
    #expect(run(Self.command(0x144, [], [0, 0])) == 0)
    // A counter outside of dictionary-attack protection, which a power cut would count against.
    let area = Self.big32(0x0150_0000) + Self.big16(0xB) + Self.big32(0x0204_0014) + [0, 0] + [0, 8]
    #expect(run(Self.command(0x12A, [0x4000_0001], [0, 0] + Self.big16(area.count) + area)) == 0)
    #expect(directory.store(engine.stateBlob(key: key.span)))
    for round in 0..<20 {
      let old = engine.stateBlob(key: key.span)
      #expect(run(Self.command(0x134, [0x0150_0000, 0x0150_0000], [])) == 0, "\(round)")
      let new = engine.stateBlob(key: key.span)
      #expect(old != new)
      directory.store(new, cutAfter: step)
      // Power comes back: what is there loads, and is one of the two.
      let found = try #require(directory.load())
      #expect(found == (step.rawValue >= StateDirectory.Step.renamed.rawValue ? new : old))
      let loaded = TPMEngine(blob: found, key: key.span, entropy: entropy.span)
      engine = try #require(loaded)
      engine.powerOn(milliseconds: 0)
      #expect(run(Self.command(0x144, [], [0, 0])) == 0)
      #expect(directory.store(engine.stateBlob(key: key.span)))
    }
  }

  // CVE-2020-28407: nothing that lies where the temporary file goes is followed.
  @Test func aLinkInThePlaceOfTheTemporaryFileIsNotFollowed() throws {
    let path = try Self.scratch()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let victim = path + "/victim"
    #expect(FileManager.default.createFile(atPath: victim, contents: Data([1, 2, 3])))
    try FileManager.default.createSymbolicLink(
      atPath: path + "/apus-tpm.state.new", withDestinationPath: victim)
    let directory = StateDirectory(path: path)
    #expect(directory.store([9, 9]))
    #expect(directory.load() == [9, 9])
    #expect(FileManager.default.contents(atPath: victim) == Data([1, 2, 3]))
  }

  // State that is there and does not load is an error, never a reason for a new TPM; so is a lost key.
  @Test func aDamagedStateIsNeverReplacedByANewTPM() throws {
    let path = try Self.scratch()
    defer { try? FileManager.default.removeItem(atPath: path) }
    var options = TPMServer.Options()
    options.stateDirectory = path
    options.needsNoInit = true
    options.startsClear = true
    _ = try TPMServer(options)
    let file = path + "/apus-tpm.state"
    var blob = [UInt8](try #require(FileManager.default.contents(atPath: file)))
    blob[blob.count / 2] ^= 1
    try Data(blob).write(to: URL(fileURLWithPath: file))
    #expect(throws: ServerFailure.self) { try TPMServer(options) }
    try FileManager.default.removeItem(atPath: path + "/apus-tpm.key")
    #expect(throws: ServerFailure.self) { try TPMServer(options) }
    #expect(FileManager.default.contents(atPath: file) == Data(blob))
  }
}
