"""igvm-elf: writes a small or large static ELF kernel for the checks of `apus igvm build`; same arguments, same bytes."""
import struct, sys


def elf(base, text_size, bss_size, linked_at=0xFFFFFFFF80000000, seed=1):
    """An ELF with text (R-X), data (RW-) and zeroed memory, loaded at `base` and linked at linked_at + base."""
    state, words = seed, []
    for _ in range(text_size // 8):
        state = (state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        words.append(state)
    text = struct.pack(f"<{len(words)}Q", *words)
    data = bytes(range(256)) * 16
    data_at = base + (len(text) + 4095) // 4096 * 4096
    header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 0x3E, 1, linked_at + base, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    programs = struct.pack("<IIQQQQQQ", 1, 5, 4096, linked_at + base, base, len(text), len(text), 4096)
    programs += struct.pack(
        "<IIQQQQQQ", 1, 6, 4096 + len(text), linked_at + data_at, data_at, len(data), len(data) + bss_size, 4096)
    return (header + programs).ljust(4096, b"\0") + text + data


if __name__ == "__main__":
    output, base, text_size, bss_size = sys.argv[1], *(int(word, 0) for word in sys.argv[2:5])
    with open(output, "wb") as file:
        file.write(elf(base, text_size, bss_size))
