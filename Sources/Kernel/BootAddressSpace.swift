// BootAddressSpace: the kernel's own page tables: every segment with its rights, guards left out, no aliases of code.
import Seams
import Tasks
import X86

extension Kernel {
  /// Memory as the kernel's own tables show it.
  var memory: Machine.Memory { memory(frameCount: frames?.tags.frameCount ?? 0) }

  /// Memory of the first `frameCount` frames, and of what a guest deposits: the kernel names no other but those.
  func memory(frameCount: UInt64) -> Machine.Memory {
    let end = guestEnd.rawValue
    return machine.memory(
      limit: PhysicalAddress(end > 0 ? KernelLayout.depositedOffset &+ end : frameCount &* Frame.bytes))
  }

  /// Where the guest's memory ends; 0 without a guest.
  var guestEnd: PhysicalAddress {
    let guest = platform.guestMemory
    var end = PhysicalAddress(0)
    for index in 0..<guest.count { end = max(end, guest[index]?.end ?? end) }
    return end
  }

  /// Builds the address space and goes over to it.
  ///
  /// The image is mapped at its own addresses only: the direct map leaves it out, so that no code has a writable
  /// alias. The part that is of no use after boot is in the direct map, because its frames are given away.
  func buildAddressSpace() throws(BootFailure) {
    guard let frames, let image = machine.image else { throw .image }
    do throws(MappingError) {
      let space = try AddressSpace(memory: memory, frames: frames, privacy: platform.privacy)
      for index in 0..<image.segments.count {
        let segment = image.segments[index]
        guard segment.bytes > 0 else { continue }
        let physical = PhysicalAddress(segment.start.rawValue &- KernelLayout.image)
        try space.map(segment.start, to: physical, bytes: segment.bytes, segment.permissions, frames: frames)
      }
      try mapDirect(space, frames, image)
      let kept = platform.keptMemory
      for index in 0..<kept.count {
        guard let region = kept[index] else { continue }
        try space.map(
          KernelLayout.direct(region.start), to: region.start, bytes: region.bytes, .write, frames: frames)
      }
      if let page = platform.controllerPage {
        try space.map(
          VirtualAddress(KernelLayout.localAPIC), to: page, bytes: Frame.bytes, [.write, .device],
          frames: frames)
      }
      if let shared = platform.sharedPages {
        try space.map(
          KernelLayout.shared(shared.start), to: shared.start, bytes: shared.bytes, [.write, .shared],
          frames: frames)
      }
      let guest = platform.guestMemory
      let largest: PageSize = machine.features.contains(.gigabytePages) ? .size1G : .size2M
      for index in 0..<guest.count {
        guard let region = guest[index] else { continue }
        try space.map(
          KernelLayout.guest(region.start), to: region.start, bytes: region.bytes, .write, largest: largest,
          frames: frames)
      }
      machine.activate(space.control)
      self.space = space
    } catch {
      throw .mapping(error)
    }
  }

  private func mapDirect(
    _ space: AddressSpace<Machine.Memory>, _ frames: Frames, _ image: ImageLayout
  ) throws(MappingError) {
    let largest: PageSize = machine.features.contains(.gigabytePages) ? .size1G : .size2M
    let hole = Frame(containing: image.discardable.end).number..<Frame(containing: image.physical.end).number
    var next: UInt64 = 0
    while let run = frames.tags.nextRun(from: next) {
      var first = run.first
      let end = run.first &+ run.count
      next = end
      while first < end {
        if hole.contains(first) {
          first = hole.upperBound
          continue
        }
        let stop = first < hole.lowerBound ? min(end, hole.lowerBound) : end
        let start = Frame(number: first).start
        try space.map(
          KernelLayout.direct(start), to: start, bytes: (stop &- first) &* Frame.bytes, .write,
          largest: largest,
          frames: frames)
        first = stop
      }
    }
  }

  /// Maps the interrupt stacks of `cpu`, and for all but the boot CPU the main stack and the block.
  func mapInterruptStacks(_ cpu: CPUIndex) throws(BootFailure) {
    guard let frames, let space else { return }
    do throws(MappingError) {
      let slot = ProcessorSlot(cpu)
      let kinds: InlineArray<3, InterruptStack> = [.doubleFault, .nonMaskable, .machineCheck]
      for index in kinds.indices {
        try mapFresh(
          slot.interruptStack(kinds[index]), bytes: ProcessorSlot.interruptStackBytes, space, frames)
      }
      if Platform.hasHostEvents {
        try mapFresh(
          slot.interruptStack(.vmmCommunication), bytes: ProcessorSlot.interruptStackBytes, space, frames)
        try mapFresh(
          slot.interruptStack(.hypervisorInjection), bytes: ProcessorSlot.interruptStackBytes, space, frames)
      }
      guard cpu != .boot else { return }
      try mapFresh(slot.stack, bytes: ProcessorSlot.stackBytes, space, frames)
      try mapFresh(slot.block, bytes: Frame.bytes, space, frames)
    } catch {
      throw .mapping(error)
    }
  }

  private func mapFresh(
    _ address: VirtualAddress, bytes: UInt64, _ space: AddressSpace<Machine.Memory>, _ frames: Frames
  ) throws(MappingError) {
    var done: UInt64 = 0
    while done < bytes {
      guard let frame = try? frames.allocate(.processor) else { throw .exhausted }
      memory.zero(frame.start, count: Frame.bytes)
      try space.map(address.advanced(by: done), to: frame.start, bytes: Frame.bytes, .write, frames: frames)
      done &+= Frame.bytes
    }
  }

  /// Takes the right to write away from what only boot writes; every other CPU flushes when it gets its executor.
  func sealImage() {
    guard let space, let image = machine.image else { return }
    let segment = image.segments[image.sealedIndex]
    guard segment.bytes > 0 else { return }
    do throws(MappingError) {
      try space.protect(segment.start, bytes: segment.bytes, segment.permissions.subtracting(.write))
    } catch {
      machine.panic("the image can't be sealed")
    }
    _ = OwnerHorizon(machine.ownerTable).advance()
    machine.flush()
  }
}
