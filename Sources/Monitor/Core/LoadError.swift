// LoadError: why the monitor does not load a file, and the line that says so.

public import IGVM
public import Seams

/// Why a file is not loaded.
public enum LoadError: Error, Equatable, Sendable {
  /// The file breaks a rule of the format.
  case format(Violation)
  /// The file is not for this platform.
  case platform
  /// A page has no memory behind it.
  case noMemory(gpa: UInt64)
  /// A page is imported twice.
  case pageTwice(gpa: UInt64)
  /// A parameter does not fit into its area.
  case parameter(HeaderType)

  /// Writes one line that names the field.
  public func write(_ console: some Console) {
    console.write("monitor: the IGVM file ")
    switch self {
    case .format(let violation):
      console.write("breaks rule ")
      console.write(violation.rule.name.description)
      console.write(" at byte ")
      console.write(decimal: violation.offset)
      console.write(": ")
      console.write(hex: violation.value)
    case .platform: console.write("is not for this platform")
    case .noMemory(let gpa):
      console.write("has a page where the guest has no memory: ")
      console.write(hex: gpa)
    case .pageTwice(let gpa):
      console.write("has a page twice: ")
      console.write(hex: gpa)
    case .parameter(let kind):
      console.write("has a parameter that does not fit its area: ")
      console.write(hex: UInt64(kind.rawValue))
    }
    console.endLine()
  }
}
