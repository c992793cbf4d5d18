// ScriptedState: the registers of a scripted guest's only vCPU, and its memory.
import Seams
import Tasks
import X86

/// Registers and one piece of memory in words, at whatever address the guest names it.
public struct ScriptedState: Sendable {
  private let registers = SharedWords(count: 8)
  private let memory: SharedWords
  private let mask: UInt64

  /// `words` words of memory: a power of two.
  public init(words: Int) {
    memory = SharedWords(count: words)
    mask = UInt64(words) &- 1
  }

  /// The call's RAX, and the reply's.
  public var rax: AtomicCell { registers[0] }
  /// RCX of call and reply.
  public var rcx: AtomicCell { registers[1] }
  /// RDX of call and reply.
  public var rdx: AtomicCell { registers[2] }
  /// R8 of call and reply.
  public var r8: AtomicCell { registers[3] }
  /// R9 of the call.
  public var r9: AtomicCell { registers[4] }
  /// The word that holds EFER.SVME (SNP: the gate of a vCPU's entry).
  var efer: AtomicCell { registers[5] }

  /// The word at `address`.
  @inline(__always) public func cell(_ address: PhysicalAddress) -> AtomicCell {
    memory[Int(truncatingIfNeeded: address.rawValue >> 3 & mask)]
  }

  /// Writes the bits of `mask` at `address`, which are part of one word.
  @inline(__always) func store(_ value: UInt64, mask: UInt64, _ address: PhysicalAddress) {
    let shift = (address.rawValue & 7) &* 8
    let cell = cell(address)
    cell.storeRelaxed(cell.loadRelaxed() & ~(mask &<< shift) | value &<< shift)
  }
}
