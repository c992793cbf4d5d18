# run: how boards/run starts the monitor: QEMU's q35, TCG with nested paging, the monitor as kernel, an IGVM file as initrd.
. boards/lib/monitor.sh

platform= igvm= selftest= linux= icount= l2=1 memory= apic_ids= leak= fw_cfg=

board_help() {
  cat <<'TEXT'

The board monitor:
  --platform P     snp or tdx: what the IGVM file is loaded as
  --igvm FILE      the file to load; --memory is the guest's (1024, 512 with --linux)
  --fw-cfg         the IGVM file comes by fw_cfg, not as an initial RAM disk
  --l2 N           L2 virtual machines of a TD, 0 to 3 (1)
  --selftest       instruction-level guests that check the monitor from inside; --platform picks one (tdx)
  --linux P        Debian's kernel as an SNP or a TDX guest (snp, tdx), fetched by ci/linux
  --apic-ids A,B   the APIC identifiers of the CPUs, 32 bits and as sparse as you like
  --icount         one CPU thread and a clock of instructions: the same log every time
TEXT
  monitor_hostile_help
}

board_option() {
  case $1 in
    --platform) value "$@"; platform=$2; taken=2 ;;
    --igvm) value "$@"; igvm=$2; taken=2 ;;
    --l2) value "$@" && whole "$2" 0 3 || die 2 "--l2 takes 0 to 3, not '${2:-}'"; l2=$2; taken=2 ;;
    --fw-cfg) fw_cfg=1; taken=1 ;;
    --selftest) selftest=1; taken=1 ;;
    # For the tests of the canary scan: a self-test guest that publishes its secret.
    --leak) selftest=1 leak=1; taken=1 ;;
    --linux) value "$@"; linux=1 platform=$2; taken=2 ;;
    --apic-ids) value "$@"; apic_ids=$2; taken=2 ;;
    *) monitor_option "$@" ;;
  esac
}

# monitor_guest NAME SOURCES LAYOUT BUILD-OPTIONS...: builds a guest in C and makes an IGVM file of it; prints the file.
monitor_guest() {
  local name=$1 sources=$2 layout=$3 out=.build/boards/monitor-guests clang tool=.build/tool defines=()
  shift 3
  local script=("$sources"/*.ld)
  clang=$(toolchain clang)
  mkdir -p "$out"
  if ! env -u APUS_BARE swift build -c release --product apus --scratch-path "$tool" >"$tool.log" 2>&1; then
    cat "$tool.log" >&2
    die 6 "the build of the tool apus failed"
  fi
  if [ "$platform" = tdx ]; then defines+=(-DTDX); fi
  if [ -n "$leak" ]; then defines+=(-DLEAK); fi
  "$clang" --target=x86_64-unknown-none-elf -O1 -ffreestanding -fno-stack-protector -mno-red-zone -mno-sse -mno-mmx \
    -mcmodel=large -fno-pic -Wall -Werror -nostdlib -static -fuse-ld=lld "${defines[@]}" -Wl,-T,"${script[0]}" \
    -o "$out/$name.elf" "$sources"/*.S "$sources"/*.c || die 6 "the guest $name does not build"
  "$tool/release/apus" igvm build "$layout" --hypervisor monitor --elf "$out/$name.elf" --guest-memory "${memory}M" \
    --vcpus "$cpus" "$@" -o "$out/$name.igvm" >"$out/$name.log" || die 6 "there is no IGVM file of the guest $name"
  echo "$out/$name.igvm"
}

# monitor_linux: the boot stub with Debian's kernel and our initial RAM disk; prints the file.
monitor_linux() {
  local kernel initrd layout=Sources/MonitorMachine/LinuxBoot
  read -r kernel initrd < <(ci/linux) || die 6 "there is no kernel: ci/linux failed"
  if [ "$platform" = tdx ]; then layout=$layout/TDX; fi
  monitor_guest "linux-$platform" Sources/MonitorMachine/LinuxBoot "$layout" --kernel "$kernel" --initrd "$initrd" \
    --cmdline "console=ttyS0 quiet nokaslr panic=-1 $words"
}

board_run() {
  local image accel=tcg machine=() carrier size guest="$words"
  need qemu-system-x86_64 qemu-system-x86
  if [ -n "$selftest$linux" ]; then platform=${platform:-tdx}; fi
  case $platform in
    snp | tdx) ;;
    *) die 2 "--platform and --linux take snp or tdx, not '$platform'" ;;
  esac
  if [ -n "$linux" ]; then memory=${memory:-512}; else memory=${memory:-1024}; fi
  if [ -n "$linux" ]; then
    igvm=$(monitor_linux) || exit $?
    guest=
  elif [ -n "$selftest" ] && [ "$platform" = tdx ]; then
    igvm=$(monitor_guest tdx Sources/MonitorMachine/Selftest boards/tdp) || exit $?
  elif [ -n "$selftest" ]; then
    igvm=$(monitor_guest snp Sources/MonitorMachine/SelftestSNP Sources/MonitorMachine/SelftestSNP) || exit $?
  fi
  if [ -n "$selftest" ] && [ -z "$hostile" ]; then guest="count-breaches $guest"; fi
  [ -n "$igvm" ] || die 2 "name an IGVM file by --igvm, or take --selftest or --linux"
  [ -r "$igvm" ] || die 2 "cannot read '$igvm'"
  image=$(boards/build monitor) || exit $?
  # The monitor's own memory, and the file, come on top of the guest's.
  size=$(($(stat -c %s "$igvm") / 1048576 + 3))
  size=$((memory + memory / 64 + 16 + size))
  if [ "$cpus" -gt 16 ]; then accel=tcg,thread=single; fi
  # Linux's timers would starve it on a slow or busy machine: its clock counts instructions.
  if [ -n "$linux" ]; then icount=1; fi
  if [ "$timeout" = 0 ] && [ -n "$linux$selftest$hostile" ]; then timeout=$((60 + 2 * cpus)); fi
  if [ -n "$icount" ]; then machine+=(-icount shift=0,sleep=off -rtc clock=vm,base=2024-01-01 -seed 42); fi
  carrier=(-initrd "$igvm")
  if [ -n "$fw_cfg" ]; then carrier=(-fw_cfg "name=opt/apus/image,file=$igvm"); fi
  qemu_run "$image" "$timeout" -machine q35 -accel "$accel" -cpu "$(monitor_cpu)" -smp "$cpus" -m "$size" \
    "${machine[@]}" -kernel "$image" "${carrier[@]}" \
    -append "$platform memory=$memory l2=$l2 ${apic_ids:+apic-ids=$apic_ids} $guest $(monitor_hostile_words)"
}
