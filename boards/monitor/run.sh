# run: how boards/run starts the monitor: QEMU's q35, TCG with nested paging, the monitor as kernel, an IGVM file as initrd.

platform= igvm= selftest= icount= l2=1 memory=1024 hostile= apic_ids= snp_words=

board_help() {
  cat <<'TEXT'

The board monitor:
  --platform P     snp or tdx: what the IGVM file is loaded as
  --igvm FILE      the file to load; --memory is the guest's (1024)
  --l2 N           L2 virtual machines of a TD, 0 to 3 (1)
  --selftest       instruction-level guests that check the monitor from inside; --platform picks one (tdx)
  --hostile NAME   snp: the attack that the host plays; an unknown name lists none and is refused
  --apic-ids A,B   snp: the APIC identifiers of the CPUs, 32 bits and as sparse as you like
  --icount         one CPU thread and a clock of instructions: the same log every time
TEXT
}

board_option() {
  case $1 in
    --platform) value "$@"; platform=$2; taken=2 ;;
    --igvm) value "$@"; igvm=$2; taken=2 ;;
    --l2) value "$@" && whole "$2" 0 3 || die 2 "--l2 takes 0 to 3, not '${2:-}'"; l2=$2; taken=2 ;;
    --selftest) selftest=1; taken=1 ;;
    --icount) icount=1; taken=1 ;;
    --hostile) value "$@"; hostile=$2; taken=2 ;;
    --apic-ids) value "$@"; apic_ids=$2; taken=2 ;;
  esac
}

# monitor_selftest: builds the guest of --selftest and makes an IGVM file of it; prints the file.
monitor_selftest() {
  local out=.build/boards/monitor-selftest sources=Sources/MonitorMachine/Selftest clang tool=.build/tool
  clang=$(toolchain clang)
  mkdir -p "$out"
  if ! env -u APUS_BARE swift build -c release --product apus --scratch-path "$tool" >"$tool.log" 2>&1; then
    cat "$tool.log" >&2
    die 6 "the build of the tool apus failed"
  fi
  tool=$tool/release/apus
  "$clang" --target=x86_64-unknown-none-elf -O1 -ffreestanding -fno-stack-protector -mno-red-zone -mno-sse -mno-mmx \
    -mcmodel=large -fno-pic -Wall -Werror -nostdlib -static -fuse-ld=lld -Wl,-T,"$sources/selftest.ld" \
    -o "$out/tdx.elf" "$sources"/*.S "$sources"/*.c || die 6 "the self-test guest does not build"
  "$tool" igvm build --board tdp --hypervisor monitor --elf "$out/tdx.elf" -o "$out/tdx.igvm" >"$out/tdx.log" ||
    die 6 "there is no IGVM file of the self-test guest"
  echo "$out/tdx.igvm"
}

board_run() {
  local image accel=tcg machine=() size words="$words"
  need qemu-system-x86_64 qemu-system-x86
  if [ -n "$selftest" ]; then
    platform=tdx
    igvm=$(monitor_selftest) || exit $?
    words="count-breaches $words"
  fi
  [ -n "$igvm" ] || die 2 "name an IGVM file by --igvm, or take --selftest"
  [ -r "$igvm" ] || die 2 "cannot read '$igvm'"
  [ "$platform" = tdx ] || die 2 "--platform takes tdx, not '$platform'"
  image=$(boards/build monitor) || exit $?
  # The monitor's own memory, and the file, come on top of the guest's.
  size=$(($(stat -c %s "$igvm") / 1048576 + 3))
  size=$((memory + memory / 64 + 16 + size))
  if [ "$cpus" -gt 16 ]; then accel=tcg,thread=single; fi
  if [ -n "$icount" ]; then machine+=(-icount shift=0,sleep=off -rtc clock=vm,base=2024-01-01 -seed 42); fi
  qemu_run "$image" "$timeout" -machine q35 -accel "$accel" -cpu max,phys-bits=48,la57=off -smp "$cpus" -m "$size" \
    "${machine[@]}" -kernel "$image" -initrd "$igvm" -append "$platform memory=$memory l2=$l2 $words"
}
