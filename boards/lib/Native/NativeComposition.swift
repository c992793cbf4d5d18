// NativeComposition: the native board's platform on the real machine, which the measuring boards have as well.
public import Machine
public import NativePlatform
import Seams
public import X86

/// The drivers of plain x86-64 over real instructions.
public typealias NativeDrivers =
  NativePlatform<MachinePorts, MachineMSRs, MachineAPICPage, MachineCycles, MachineHint>

extension NativePlatform
where
  Ports == MachinePorts, MSRs == MachineMSRs, Page == MachineAPICPage, Cycles == MachineCycles,
  Hint == MachineHint
{
  /// The platform of a machine with `features`; a kernel that dies from now on reports on its console.
  public init(features: CPUFeatures) {
    self.init(
      ports: MachinePorts(), registers: MachineMSRs(), page: MachineAPICPage(), cycles: MachineCycles(),
      hint: MachineHint.self, features: features, startInfo: KernelImage.startInfo)
    Death.install(NativePanicPlatform(ports: MachinePorts(), console: console, controller: controller))
  }
}
