// FakeMemory: physical memory in an array, for the tests of everything that keeps tables in memory.
import Kernel
import Seams
import TestSupport
import X86

final class FakeMemory: PhysicalMemory, @unchecked Sendable {
  var bytes: [UInt8]
  let base: UInt64
  /// The guest's memory below 8 MiB, as far as the kernel's allocators name it.
  var deposits = [UInt8](repeating: 0x5A, count: 8 << 20)
  var strayAccesses = 0

  init(base: UInt64 = 0, count: Int) {
    self.base = base
    bytes = [UInt8](repeating: 0xA5, count: count)
  }

  var limit: PhysicalAddress { PhysicalAddress(base + UInt64(bytes.count)) }

  private func index(_ address: PhysicalAddress, _ count: Int) -> Int? {
    guard address.rawValue >= base, address.rawValue - base <= UInt64(bytes.count),
      UInt64(bytes.count) - (address.rawValue - base) >= UInt64(count)
    else {
      strayAccesses += 1
      return nil
    }
    return Int(address.rawValue - base)
  }

  private func deposit(_ address: PhysicalAddress, _ count: Int) -> Int? {
    let place = address.rawValue &- KernelLayout.depositedOffset
    return place < UInt64(deposits.count) && UInt64(deposits.count) - place >= UInt64(count)
      ? Int(place) : nil
  }

  func load<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ type: Value.Type, at address: PhysicalAddress
  ) -> Value {
    let width = Value.bitWidth / 8
    var value: Value = 0
    if let start = deposit(address, width) {
      for offset in 0..<width {
        value |= Value(truncatingIfNeeded: deposits[start + offset]) << Value(8 * offset)
      }
      return value
    }
    guard let start = index(address, width) else { return .max }
    for offset in 0..<width { value |= Value(truncatingIfNeeded: bytes[start + offset]) << Value(8 * offset) }
    return value
  }

  func store<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ value: Value, at address: PhysicalAddress
  ) {
    let width = Value.bitWidth / 8
    if let start = deposit(address, width) {
      for offset in 0..<width {
        deposits[start + offset] = UInt8(truncatingIfNeeded: value >> Value(8 * offset))
      }
      return
    }
    guard let start = index(address, width) else { return }
    for offset in 0..<width { bytes[start + offset] = UInt8(truncatingIfNeeded: value >> Value(8 * offset)) }
  }

  func zero(_ address: PhysicalAddress, count: UInt64) {
    if let start = deposit(address, Int(count)) {
      for offset in 0..<Int(count) { deposits[start + offset] = 0 }
      return
    }
    guard let start = index(address, Int(count)) else { return }
    for offset in 0..<Int(count) { bytes[start + offset] = 0 }
  }

  func put(_ content: [UInt8], at address: UInt64) {
    for (offset, byte) in content.enumerated() { bytes[Int(address - base) + offset] = byte }
  }
}

enum NoHint: SpinHint {
  static func relax() {}
}

/// A map of one usable region and further ones.
func map(_ regions: (UInt64, UInt64, MemoryRegion.Kind)...) -> MemoryMap {
  var map = MemoryMap()
  for (start, bytes, kind) in regions {
    map.add(MemoryRegion(start: PhysicalAddress(start), bytes: bytes, kind: kind))
  }
  return map
}

let mebibyte: UInt64 = 1 << 20

/// 4 MiB of memory from 0, the table at 1 MiB.
func smallMachine() -> (FakeMemory, FrameTable<FakeMemory>) {
  let memory = FakeMemory(count: 4 << 20)
  let table = FrameTable(
    map: map((0, 4 * mebibyte, .usable)), memory: memory, metadata: PhysicalAddress(mebibyte),
    frameCount: 1024)
  return (memory, table)
}

/// Stocks for four CPUs.
func stocks(
  _ memory: FakeMemory, _ frames: FrameAllocator<FakeMemory, NoHint>
) -> FrameStocks<FakeMemory>? {
  guard let first = try? frames.allocate(.processor) else { return nil }
  return FrameStocks(memory: memory, base: first.start, count: 4)
}

/// The seeds of this room's random histories.
let seeds = RunLength.seeds("Kernel")
