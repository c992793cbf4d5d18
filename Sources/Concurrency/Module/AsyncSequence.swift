// AsyncSequence: what `for await` needs.
import Swift

/// Something that yields elements one by one, suspending in between.
public protocol AsyncIteratorProtocol<Element, Failure> {
  /// What is yielded.
  associatedtype Element
  /// What `next` may throw.
  associatedtype Failure: Error
  /// The next element, or nil at the end.
  mutating func next(isolation actor: isolated (any Actor)?) async throws(Failure) -> Element?
}

/// A sequence for `for await`.
public protocol AsyncSequence<Element, Failure> {
  /// What is yielded.
  associatedtype Element where Element == AsyncIterator.Element
  /// What iterating may throw.
  associatedtype Failure where Failure == AsyncIterator.Failure
  /// The iterator.
  associatedtype AsyncIterator: AsyncIteratorProtocol
  /// A new iterator over the sequence.
  func makeAsyncIterator() -> AsyncIterator
}
