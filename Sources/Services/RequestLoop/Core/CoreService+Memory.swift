// CoreService+Memory: DEPOSIT_MEM and WITHDRAW_MEM: the guest lends the kernel pages and gets them back.
import SVSMProtocol
import Seams
public import X86

/// A kernel that takes no pages: DEPOSIT_MEM and WITHDRAW_MEM are unsupported.
public struct NoMemoryExchange: MemoryExchange, Sendable {
  /// The only value.
  public init() {}
  /// Never.
  public static var isSupported: Bool { false }
  /// False.
  public func deposit(_ address: PhysicalAddress, pageCount: Int) -> Bool { false }
  /// Nil.
  public func withdraw() -> PhysicalAddress? { nil }
  /// Nothing.
  public func returnWithdrawn(_ address: PhysicalAddress) {}
}

extension CoreService {
  /// DEPOSIT_MEM.
  ///
  /// Rule: reference A.6 call 4, D.71 to D.73.
  nonisolated(nonsending) func depositMemory(_ call: GuestCall) async -> CallReply {
    guard Exchange.isSupported else { return CallReply(.unsupportedCall) }
    return await withList(call) { (list, index, slice) async throws(ListStop) in
      let word = try entry(list, index)
      let decoded: DepositEntry
      do throws(ResultCode) { decoded = try DepositEntry(word) } catch { throw ListStop(error) }
      try deposit(decoded, list)
      slice.spend(Slice.page &+ Slice.clearedPage)
      return 1
    }
  }

  private func deposit(_ entry: DepositEntry, _ list: PageList) throws(ListStop) {
    let address = PhysicalAddress(entry.address)
    let size: GuestPageSize = entry.is2M ? .large : .small
    switch guest.pages.claim(address, size, from: .valid) {
    case .claimed: break
    case .busy:
      let isList = list.address >= entry.address && list.address &- entry.address < size.byteCount
      throw ListStop(isList ? .invalidAddress : .busy)
    case .mixed, .protected, .other: throw ListStop(.invalidAddress)
    }
    do throws(PageFailure) {
      try platform.revoke(address, size)
    } catch {
      restore(address, size)
      throw ListStop(error == .sizeMismatch ? .invalidParameter : ResultCode(error))
    }
    guard platform.flushReductions() else {
      restore(address, size)
      throw ListStop(.busy)
    }
    // In this state first: once booked, another CPU may withdraw it.
    guest.pages.release(address, size, as: .deposited)
    guard exchange.deposit(address, pageCount: size.pageCount) else {
      guard guest.pages.claimKernel(address, size, from: .deposited) else { throw ListStop(.invalidRequest) }
      restore(address, size)
      throw ListStop(.invalidRequest)
    }
  }

  /// WITHDRAW_MEM: as many pages as there are and as the buffer takes; SVSM_MEM_AVAILABLE says whether more remain.
  ///
  /// Rule: reference A.6 call 5, D.74 to D.76. Never INCOMPLETE, so it awaits between pages.
  nonisolated(nonsending) func withdrawMemory(_ call: GuestCall) async -> CallReply {
    guard Exchange.isSupported else { return CallReply(.unsupportedCall) }
    let address = call.registers.rcx
    let capacity: Int
    do throws(ResultCode) { capacity = try WithdrawList.capacity(at: address) } catch {
      return CallReply(error)
    }
    let place = PhysicalAddress(address)
    do throws(ResultCode) { try buffer.pin(place) } catch { return CallReply(error) }
    let isReached = await withdraw(to: address, capacity: capacity)
    guest.pages.unpin(place)
    return CallReply(isReached ? .success : .invalidAddress)
  }

  private nonisolated(nonsending) func withdraw(to address: UInt64, capacity: Int) async -> Bool {
    var slice = Slice()
    var count = 0
    do throws(GuestMemoryFault) {
      // Nothing may be handed over whose address could not be told.
      try platform.storeHalf(0, PhysicalAddress(address))
      while count < capacity {
        await slice.makeRoom(Slice.page &+ Slice.clearedPage)
        slice.spend(Slice.page &+ Slice.clearedPage)
        guard let page = exchange.withdraw() else { return true }
        guard guest.pages.claimKernel(page, .small, from: .deposited) else { continue }
        do throws(GuestMemoryFault) {
          try handOver(page, at: address, count)
        } catch {
          guest.pages.release(page, .small, as: .deposited)
          exchange.returnWithdrawn(page)
          throw error
        }
        count &+= 1
      }
      return true
    } catch {
      return false
    }
  }

  private func handOver(_ page: PhysicalAddress, at address: UInt64, _ count: Int) throws(GuestMemoryFault) {
    let entry = address &+ UInt64(WithdrawList.entriesOffset) &+ 8 &* UInt64(count)
    try platform.storeWord(page.rawValue, PhysicalAddress(entry))
    try platform.storeHalf(UInt16(truncatingIfNeeded: count &+ 1), PhysicalAddress(address))
    do throws(PageFailure) {
      try platform.grant(page, .small)
    } catch {
      try platform.storeHalf(UInt16(truncatingIfNeeded: count), PhysicalAddress(address))
      throw GuestMemoryFault()
    }
    guest.pages.release(page, .small, as: .valid)
  }
}
