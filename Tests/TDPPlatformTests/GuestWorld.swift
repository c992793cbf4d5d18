// GuestWorld: a model TD with a guest image in it, its plan, and the driver of its vCPUs.
import Launch
import Model
import Seams
import TDPPlatform
import TDX
import Testing
import X86

/// Launch page in guest page 1, parameters 2, memory map 3; the range is pages 1 to 63; the guest has pages 64 to 4095,
/// its image lies in pages 512 and 513.
struct GuestWorld {
  let machine: ModelTD
  let memory: PrivateMemory
  let platform: TDPPlatform<ModelTD>
  let driver: TDPGuestDriver<ModelTD, PrivateMemory>

  static let image: UInt64 = 0x20_0000
  static let root = image + 0x1000

  /// The world of `vcpus` vCPUs, its guest launched.
  init(vcpus: Int = 2, xfam: UInt64 = 3) throws {
    machine = ModelTD(vcpus: vcpus, loaded: 512..<514) {
      $0.l2WalkFailureExits = 0xE
      $0.xfam = xfam
    }
    memory = PrivateMemory(machine: machine)
    Self.fill(memory, vcpus)
    var platform = TDPPlatform(machine, launchPage: PhysicalAddress(0x1000))
    platform.findGuest(memory)
    self.platform = platform
    let information = try platform.bootInformation(memory)
    try platform.claimMemory(information.memory, memory)
    let made = TDPGuestDriver(
      platform, vcpuCount: vcpus, window: memory, cpu: { .boot }, isAlone: { true }, flush: {})
    driver = try #require(made)
    let plan = try #require(platform.guest)
    try driver.launch(plan, commandLine: Array("selftest".utf8))
    machine.steps = []
  }

  private static func fill(_ memory: PrivateMemory, _ vcpus: Int) {
    var launch = LaunchInformation(platform: 3, hypervisor: 3)
    launch.processorCount = 4
    launch.rangeStart = 0x1000
    launch.rangeByteCount = 63 << 12
    launch.guestByteCount = 16 << 20
    launch.areas = [
      LaunchArea(.launchInformation, gpa: 0x1000, byteCount: 4096),
      LaunchArea(.parameters, gpa: 0x2000, byteCount: 4096),
      LaunchArea(.memoryMap, gpa: 0x3000, byteCount: 4096),
      LaunchArea(.mailbox, gpa: 0x5000, byteCount: 4096),
      LaunchArea(.image, gpa: 0x8000, byteCount: 0x17001),
      LaunchArea(.guestImage, gpa: image, byteCount: 0x1801),
    ]
    for (index, byte) in (launch.encoded() ?? []).enumerated() {
      memory.store(byte, at: PhysicalAddress(0x1000 + UInt64(index)))
    }
    memory.store(UInt32(vcpus), at: PhysicalAddress(0x2000))
    // One region: all 16 MiB.
    memory.store(UInt64(0), at: PhysicalAddress(0x3000))
    memory.store(UInt64(4096), at: PhysicalAddress(0x3008))
    memory.store(UInt64(0x5453_4555_4753_5041), at: PhysicalAddress(image + 0x10))
    memory.store(root, at: PhysicalAddress(image + 0x18))
  }

  /// The name of vCPU `index`.
  func context(_ index: UInt32 = 0) throws -> VCPUContext {
    try #require(driver.context(of: CPUIndex(index)))
  }

  /// Lets vCPU `index` run, on its own CPU.
  func enter(_ index: UInt32 = 0) throws -> GuestExit {
    machine.vcpu = Int(index)
    driver.holdWakes()
    return driver.enter(try context(index), until: nil)
  }

  /// What the L2's saved register holds.
  func register(_ number: Int, of index: UInt32 = 0) throws -> UInt64 {
    memory.load(UInt64.self, at: try context(index).address.advanced(by: 8 * UInt64(number)))
  }
  func rip(of index: UInt32 = 0) throws -> UInt64 {
    memory.load(UInt64.self, at: try context(index).address.advanced(by: UInt64(L2EnterState.ripOffset)))
  }

  /// The guest leaves once for `exit`, having done `deed`, and then halts.
  func once(_ exit: L2Exit, _ deed: @escaping (inout L2EnterState) -> Void = { _ in }) {
    var isDone = false
    machine.program = { _, state in
      if isDone { return .exit(L2Exit(.hlt, length: 1)) }
      isDone = true
      deed(&state)
      return .exit(exit)
    }
  }
}

extension L2Exit {
  /// An exit of an instruction of this length.
  init(_ reason: VMXExitReason, length: UInt32, qualification: UInt64 = 0, cpl: UInt8 = 0) {
    self.init(reason)
    instructionLength = length
    self.qualification = qualification
    self.cpl = cpl
  }
}
