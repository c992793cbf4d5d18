"""igvm-elf: writes a small or large static ELF kernel for the checks of `apus igvm build`; same arguments, same bytes."""
import struct, sys


def elf(base, text_size, bss_size, linked_at=0xFFFFFFFF80000000, seed=1):
    """An ELF loaded at `base`: a page with the entry, linked there too, for a 32-bit start; then text (R-X), data (RW-) and
    zeroed memory, linked at linked_at + their address."""
    state, words = seed, []
    for _ in range(text_size // 8):
        state = (state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        words.append(state)
    text = struct.pack(f"<{len(words)}Q", *words)
    data = bytes(range(256)) * 16
    entry, base = base, base + 4096
    boot = b"\xFA\xF4\xEB\xFD".ljust(4096, b"\xCC")  # cli; hlt; jmp back
    data_at = base + (len(text) + 4095) // 4096 * 4096
    header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 0x3E, 1, entry, 64, 0, 0, 64, 56, 3, 0, 0, 0)
    programs = struct.pack("<IIQQQQQQ", 1, 5, 4096, entry, entry, 4096, 4096, 4096)
    programs += struct.pack("<IIQQQQQQ", 1, 5, 8192, linked_at + base, base, len(text), len(text), 4096)
    programs += struct.pack(
        "<IIQQQQQQ", 1, 6, 8192 + len(text), linked_at + data_at, data_at, len(data), len(data) + bss_size, 4096)
    return (header + programs).ljust(4096, b"\0") + boot + text + data


if __name__ == "__main__":
    output, base, text_size, bss_size = sys.argv[1], *(int(word, 0) for word in sys.argv[2:5])
    with open(output, "wb") as file:
        file.write(elf(base, text_size, bss_size))
