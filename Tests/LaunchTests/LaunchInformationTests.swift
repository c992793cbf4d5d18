// LaunchInformationTests: the page that tells a kernel its layout, byte by byte and back.
import Launch
import Testing

@Suite struct LaunchInformationTests {
  private var sample: LaunchInformation {
    var information = LaunchInformation(platform: 2, hypervisor: 1)
    information.processorCount = 8
    information.rangeStart = 0x800_0000
    information.rangeByteCount = 0x5C_0000
    information.sharedGPABoundary = 1 << 46
    information.encryptionBit = 51
    information.consolePort = 0x3F8
    information.guestByteCount = 1 << 30
    information.areas = [
      LaunchArea(.stack, gpa: 0x800_8000, byteCount: 0x8000),
      LaunchArea(.madt, gpa: 0x800_3000, byteCount: 4096),
    ]
    information.commandLine = Array("until=idle".utf8)
    return information
  }

  @Test("Golden: fields lie where the table in the documentation says")
  func golden() throws {
    let page = try #require(sample.encoded())
    #expect(page.count == 4096)
    #expect(String(decoding: page[0..<8], as: UTF8.self) == "APUSLNCH")
    #expect(Array(page[8..<24]) == [1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0])
    #expect(Array(page[0x18..<0x20]) == [0, 0, 0, 8, 0, 0, 0, 0])
    #expect(Array(page[0x30..<0x38]) == [51, 0, 0, 0, 0xF8, 3, 2, 0])
    #expect(Array(page[0x40..<0x50]) == [2, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 8, 0, 0, 0, 0])
    #expect(page[0x70..<0xF00].allSatisfy { $0 == 0 })
    #expect(String(decoding: page[0xF00..<0xF0A], as: UTF8.self) == "until=idle")
    #expect(page[0xF0A...].allSatisfy { $0 == 0 })
  }

  @Test("What is written reads back, with as many areas as fit and not one more")
  func roundTrip() throws {
    var information = sample
    for index in information.areas.count..<LaunchInformation.maximumAreaCount {
      information.areas.append(LaunchArea(.image, gpa: UInt64(index) << 12, byteCount: 1))
    }
    let page = try #require(information.encoded())
    #expect(try LaunchInformation(decoding: page.span) == information)
    #expect(information.area(.madt)?.gpa == 0x800_3000)
    #expect(information.area(.cpuid) == nil)
    information.areas.append(LaunchArea(.image, gpa: 0, byteCount: 1))
    #expect(information.encoded() == nil)
  }

  @Test("Another magic, version, count or length is refused by name")
  func refusals() throws {
    let page = try #require(sample.encoded())
    func refusal(_ change: (inout [UInt8]) -> Void) -> LaunchInformation.DecodeError? {
      var bytes = page
      change(&bytes)
      do throws(LaunchInformation.DecodeError) {
        _ = try LaunchInformation(decoding: bytes.span)
        return nil
      } catch {
        return error
      }
    }
    #expect(refusal { $0[0] = 0 } == .magic)
    #expect(refusal { $0[8] = 2 } == .version)
    #expect(refusal { $0[0x37] = 1 } == .tooManyAreas)
    #expect(refusal { $0.removeLast() } == .truncated)
    #expect(refusal { $0[0x18] = 1 } == nil)
  }
}
