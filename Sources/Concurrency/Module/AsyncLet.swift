// AsyncLet: the entry points behind `async let`.
import Swift

@_silgen_name("swift_asyncLet_get")
public func _asyncLet_get(_ asyncLet: Builtin.RawPointer, _ resultBuffer: Builtin.RawPointer) async

@_silgen_name("swift_asyncLet_get_throwing")
public func _asyncLet_get_throwing(
  _ asyncLet: Builtin.RawPointer, _ resultBuffer: Builtin.RawPointer
) async throws

@_silgen_name("swift_asyncLet_finish")
public func _asyncLet_finish(
  _ asyncLet: Builtin.RawPointer, _ resultBuffer: Builtin.RawPointer
) async

@_silgen_name("swift_asyncLet_wait")
public func _asyncLetGet<T>(asyncLet: Builtin.RawPointer) async -> T
