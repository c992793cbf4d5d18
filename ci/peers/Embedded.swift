// Embedded: the workloads on the toolchain's embedded concurrency library and its default executor.
import _Concurrency

@_extern(c, "peer_nanoseconds") func nanoseconds() -> UInt64
@_extern(c, "peer_pin") func pin()

@main struct Program {
  static func main() async {
    pin()
    await Workloads.all("Swift embedded library", now: nanoseconds) { body in
      Task { await body() }
    }
  }
}
