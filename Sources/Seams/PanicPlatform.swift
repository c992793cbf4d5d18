// PanicPlatform: what a dying kernel still needs: a place to write, silence from the others, an end.

/// How a machine ends, the byte it leaves for whoever started it (isa-debug-exit on QEMU).
public enum Verdict: UInt8, Sendable {
  /// Everything asked for was done.
  case pass = 0x10
  /// A test failed.
  case fail = 0x11
  /// A panic or an exception; the epitaph says which.
  case panic = 0x12
  /// A rule of the model was broken.
  case violation = 0x13
  /// The input was refused; a line says why.
  case refused = 0x14
}

/// The last services: they allocate nothing, take no lock and wait for nothing without a bound.
public protocol PanicPlatform: AnyObject {
  /// Sends one byte to the console.
  func write(_ byte: UInt8)
  /// The interrupt controller is on.
  func controllerIsOn()
  /// Stops all other CPUs as far as it can be done without their help.
  func stopOtherProcessors()
  /// Ends the machine; returns only if that does not work here.
  func end(_ verdict: Verdict)
  /// Ends the machine as a panic by the least that does it, no memory but the stack: for when `end` has faulted.
  ///
  /// Returns only if that does not work here.
  func abort()
}
