// AsyncLet: the entry points behind `async let`.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

// The compiler looks the names up.
import Swift

/// Waits until the value is in the buffer.
@_silgen_name("swift_asyncLet_get")
public func _asyncLet_get(_ asyncLet: Builtin.RawPointer, _ resultBuffer: Builtin.RawPointer) async

/// The same for a child that may throw.
@_silgen_name("swift_asyncLet_get_throwing")
public func _asyncLet_get_throwing(
  _ asyncLet: Builtin.RawPointer, _ resultBuffer: Builtin.RawPointer
) async throws

/// Leaves the scope: cancels and awaits a child that still runs, destroys its value.
@_silgen_name("swift_asyncLet_finish")
public func _asyncLet_finish(
  _ asyncLet: Builtin.RawPointer, _ resultBuffer: Builtin.RawPointer
) async

/// Declared because the compiler looks it up; code of ours uses `_asyncLet_get`.
@_silgen_name("swift_asyncLet_wait")
public func _asyncLetGet<T>(asyncLet: Builtin.RawPointer) async -> T
