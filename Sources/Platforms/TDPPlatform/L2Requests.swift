// L2Requests: interrupts that other CPUs have asked for, until the vCPU's own CPU brings them into its virtual APIC.
import Synchronization

/// 256 bits and a mark that there may be some; set by any CPU, taken by one.
final class L2Requests: Sendable {
  private let first = Atomic<UInt64>(0)
  private let second = Atomic<UInt64>(0)
  private let third = Atomic<UInt64>(0)
  private let fourth = Atomic<UInt64>(0)
  private let mark = Atomic<UInt64>(0)

  init() {}

  /// Asks for `vector`; the mark comes after the bit.
  func insert(_ vector: UInt8) {
    let bit: UInt64 = 1 << UInt64(vector & 63)
    switch vector >> 6 {
    case 0: first.bitwiseOr(bit, ordering: .sequentiallyConsistent)
    case 1: second.bitwiseOr(bit, ordering: .sequentiallyConsistent)
    case 2: third.bitwiseOr(bit, ordering: .sequentiallyConsistent)
    default: fourth.bitwiseOr(bit, ordering: .sequentiallyConsistent)
    }
    mark.store(1, ordering: .sequentiallyConsistent)
  }

  /// Whether there may be any.
  @inline(__always) var mayHaveSome: Bool { mark.load(ordering: .relaxed) != 0 }

  /// Whether there may be any; clears the mark, before the bits are taken, so that none stays behind unmarked.
  var isMarked: Bool {
    mayHaveSome && mark.exchange(0, ordering: .sequentiallyConsistent) != 0
  }

  /// Takes the vectors from 64 × `word`.
  func take(_ word: Int) -> UInt64 {
    switch word {
    case 0: first.exchange(0, ordering: .sequentiallyConsistent)
    case 1: second.exchange(0, ordering: .sequentiallyConsistent)
    case 2: third.exchange(0, ordering: .sequentiallyConsistent)
    default: fourth.exchange(0, ordering: .sequentiallyConsistent)
    }
  }
}
