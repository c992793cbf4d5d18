// CoreService+List: what PVALIDATE and DEPOSIT_MEM have in common: a list, worked through from `next` on.
import SVSMProtocol
import Seams
import X86

/// Why a list is left before its end.
struct ListStop: Error {
  /// What the call answers.
  let result: ResultCode
  /// Entries finished in the step that stopped.
  let done: Int

  init(_ result: ResultCode, done: Int = 0) {
    self.result = result
    self.done = done
  }
}

extension CoreService {
  /// Entry `index` of the list, read once; it lies in the page that the list's holder has pinned.
  func entry(_ list: PageList, _ index: UInt16) throws(ListStop) -> UInt64 {
    do throws(GuestMemoryFault) {
      return try platform.loadWord(PhysicalAddress(list.entryAddress(index)))
    } catch {
      throw ListStop(.invalidAddress)
    }
  }

  /// Runs `step` for the list in RCX until it is done, a step stops, or a slice is used up.
  ///
  /// A step answers how many entries it has finished, at least 1. `next` is written back whatever happened, but for a
  /// list that is itself refused; the list's page is pinned until then.
  nonisolated(nonsending) func withList(
    _ call: GuestCall,
    _ step: nonisolated(nonsending) (PageList, UInt16, inout Slice) async throws(ListStop) -> Int
  ) async -> CallReply {
    do throws(ResultCode) {
      let pin = try pinList(call)
      let result = await workThrough(call.registers.rcx, step)
      if pin { pages.unpin(PhysicalAddress(call.registers.rcx)) }
      return CallReply(result)
    } catch {
      return CallReply(error)
    }
  }

  /// Keeps the page of the list in RCX as it is for the call; false if that needs no pin, since it is the caller's own
  /// calling area, which nobody else takes away while the caller is claimed.
  func pinList(_ call: GuestCall) throws(ResultCode) -> Bool {
    let address = call.registers.rcx
    guard PageList.isAligned(address) else { throw .invalidParameter }
    if address & ~0xFFF == guest.vcpus.callingArea(call.vcpu).rawValue { return false }
    try buffer.pin(PhysicalAddress(address))
    return true
  }

  /// Writes `next` back; false if the host took the list away.
  func store(next: Int, in list: PageList) -> Bool {
    do throws(GuestMemoryFault) {
      try platform.storeHalf(
        UInt16(truncatingIfNeeded: next), PhysicalAddress(list.address &+ UInt64(PageList.nextOffset)))
      return true
    } catch {
      return false
    }
  }

  private nonisolated(nonsending) func workThrough(
    _ address: UInt64,
    _ step: nonisolated(nonsending) (PageList, UInt16, inout Slice) async throws(ListStop) -> Int
  ) async -> ResultCode {
    let list: PageList
    do throws(ResultCode) { list = try pageList(address) } catch { return error }
    var result = ResultCode.success
    var next = Int(list.next)
    var slice = Slice()
    while next < Int(list.count) {
      if slice.isUsedUp {
        result = .incomplete
        break
      }
      do throws(ListStop) {
        next &+= try await step(list, UInt16(truncatingIfNeeded: next), &slice)
        slice.spend(Slice.page)
      } catch {
        next &+= error.done
        result = error.result
        break
      }
    }
    return store(next: next, in: list) ? result : .invalidAddress
  }

  func pageList(_ address: UInt64) throws(ResultCode) -> PageList {
    let header: UInt64
    do throws(GuestMemoryFault) {
      header = try platform.loadWord(PhysicalAddress(address))
    } catch {
      throw .invalidAddress
    }
    return try PageList(address: address, header: header)
  }
}
