// DeferredRegister: a measurement that is computed when somebody first reads it.

/// MRTD of a launch of which most runs never ask: its chain is 49 blocks of SHA-384 a page.
///
/// One caller at a time, as for the whole model.
public final class DeferredRegister: @unchecked Sendable {
  private let compute: () -> MeasurementRegister
  private var found: MeasurementRegister?

  /// A register that `compute` gives the value that ADD and EXTEND of the launch would have chained.
  public init(_ compute: @escaping () -> MeasurementRegister) { self.compute = compute }

  /// The value; the first reading computes it.
  var value: MeasurementRegister {
    if let found { return found }
    let value = compute()
    found = value
    return value
  }
}
