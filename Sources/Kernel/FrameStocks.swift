// FrameStocks: what each CPU keeps ready of frames, in memory of its own.
import Seams
import X86

/// A record of 256 bytes for each CPU, in frames of their own; only its CPU touches a record.
public struct FrameStocks<Memory: PhysicalMemory & Sendable>: Sendable {
  /// Bytes of a record: how many frames it holds, then their numbers, the newest last.
  public static var recordBytes: UInt64 { 256 }
  private static var frameOffset: UInt64 { 64 }
  /// Frames that a record has room for.
  static var capacity: UInt64 { 16 }

  private let memory: Memory
  private let base: PhysicalAddress
  /// How many CPUs have a record.
  public let count: UInt32

  /// Frames that the records of `count` CPUs take.
  public static func frames(for count: UInt32) -> UInt64 {
    (UInt64(count) &* recordBytes &+ (Frame.bytes &- 1)) / Frame.bytes
  }

  /// Empty records at `base`, in as many frames as `frames(for:)` says.
  public init(memory: Memory, base: PhysicalAddress, count: UInt32) {
    self.memory = memory
    self.base = base
    self.count = count
    memory.zero(base, count: Self.frames(for: count) &* Frame.bytes)
  }

  /// The record of `cpu`; nil for a CPU that has none, which goes without a stock.
  func record(of cpu: CPUIndex) -> PhysicalAddress? {
    cpu.rawValue < count ? base.advanced(by: UInt64(cpu.rawValue) &* Self.recordBytes) : nil
  }

  private func slot(_ record: PhysicalAddress, _ number: UInt64) -> PhysicalAddress {
    record.advanced(by: Self.frameOffset &+ 8 &* number)
  }

  /// Frames in stock.
  func count(_ record: PhysicalAddress) -> UInt64 { memory.load(UInt64.self, at: record) }

  /// Takes a frame out of stock.
  func pop(_ record: PhysicalAddress) -> Frame? {
    let count = count(record)
    guard count > 0, count <= Self.capacity else { return nil }
    memory.store(count &- 1, at: record)
    return Frame(number: memory.load(UInt64.self, at: slot(record, count &- 1)))
  }

  /// Puts a frame into stock; false if it is full.
  func push(_ record: PhysicalAddress, _ frame: Frame) -> Bool {
    let count = count(record)
    guard count < Self.capacity else { return false }
    memory.store(frame.number, at: slot(record, count))
    memory.store(count &+ 1, at: record)
    return true
  }
}
