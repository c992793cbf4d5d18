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
    let address = call.registers.rcx
    guard PageList.isAligned(address) else { return CallReply(.invalidParameter) }
    let place = PhysicalAddress(address)
    do throws(ResultCode) { try buffer.pin(place) } catch { return CallReply(error) }
    let result = await workThrough(address, step)
    guest.pages.unpin(place)
    return CallReply(result)
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
    do throws(GuestMemoryFault) {
      try platform.storeHalf(
        UInt16(truncatingIfNeeded: next), PhysicalAddress(address &+ UInt64(PageList.nextOffset)))
    } catch {
      return .invalidAddress
    }
    return result
  }

  private func pageList(_ address: UInt64) throws(ResultCode) -> PageList {
    let header: UInt64
    do throws(GuestMemoryFault) {
      header = try platform.loadWord(PhysicalAddress(address))
    } catch {
      throw .invalidAddress
    }
    return try PageList(address: address, header: header)
  }
}
