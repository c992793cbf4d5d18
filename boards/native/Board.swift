// Board: the native board, plain x86-64 under QEMU.
import Kernel

@main struct NativeBoard {
  static func main() {}
}
