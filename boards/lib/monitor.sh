# monitor: runs a board's image as a confidential guest of the monitor, under QEMU.

hostile= hostile_seed= hostile_limit= c_bit=47
# Set by a board's --vtpm: the image that serves its guest a TPM.
vtpm=
hostile_scripts='remap swap double-map refuse-page-state half-page-state replay-reply corrupt-reply forge-exit lying-cpuid
drop-interrupts duplicate-interrupts flood-interrupts start-twice switch-out-of-turn throttle-messages stall-cpu
lying-parameters random'

monitor_hostile_help() {
  cat <<'TEXT'
  --c-bit N        the C-bit of an SNP guest, 47 or 51 (47)
  --hostile NAME   the attack that the host plays (`--hostile help` lists them); the run passes if the guest ends in a
                   defined way and no secret lies in shared memory
  --seed N         the seed of the attack's moments and targets (1)
  --limit S        seconds after which a guest under attack has held out (20)
TEXT
}

# monitor_option: a board's options about the host; sets `taken` as a board's board_option does.
monitor_option() {
  case $1 in
    --hostile)
      value "$@"
      case " ${hostile_scripts//$'\n'/ } " in
        *" $2 "*) hostile=$2 taken=2 ;;
        *)
          if [ "$2" = help ] || [ "$2" = list ]; then printf '%s\n' $hostile_scripts && exit 0; fi
          die 2 "there is no hostile script '$2'; there are: ${hostile_scripts//$'\n'/ }"
          ;;
      esac
      ;;
    --c-bit)
      value "$@"
      case $2 in 47 | 51) c_bit=$2 taken=2 ;; *) die 2 "--c-bit takes 47 or 51, not '$2'" ;; esac
      ;;
    --seed) value "$@"; [[ $2 =~ ^[0-9]{1,18}$ ]] || die 2 "--seed takes a number, not '$2'"; hostile_seed=$2; taken=2 ;;
    --limit) value "$@" && whole "$2" 1 3600 || die 2 "--limit takes 1 to 3600 seconds, not '${2:-}'"; hostile_limit=$2; taken=2 ;;
  esac
}

# monitor_hostile_words: the monitor's words for these options.
monitor_hostile_words() {
  echo "${hostile:+hostile=$hostile} ${hostile_seed:+seed=$hostile_seed} ${hostile_limit:+limit=$hostile_limit} cbit=$c_bit"
}

# monitor_cpu: QEMU's CPU. Without AVX, MPX and PKU, which no guest is shown, FXSAVE holds all that a VMPL has of its own;
# a C-bit above 47 takes nested tables of five levels.
monitor_cpu() {
  local width=phys-bits=48,la57=off
  if [ "$c_bit" = 51 ]; then width=phys-bits=52,la57=on; fi
  echo "max,avx=off,avx2=off,f16c=off,fma=off,mpx=off,pku=off,$width"
}

# monitor_words: sets `words`, the kernel's own command line, from --until, --trace and --append.
monitor_words() {
  if [ -n "$until" ]; then words="until=idle$words"; fi
  if [ -n "$trace" ]; then
    [ -n "$until" ] || die 2 "--trace needs --until idle: the kernel sends its trace when it ends"
    words="trace $words"
  fi
  # What must never show up in memory that the host can read.
  if [ -n "$hostile" ]; then words="$words canary=APUS-CANARY"; fi
}

# monitor_run BOARD PLATFORM [BUILD-OPTIONS...]: builds both images, makes the IGVM file with the kernel's words in it and
# runs it on $cpus CPUs with $memory megabytes; returns qemu_run's code. `plugin` holds further arguments for QEMU,
# `host` words for the monitor; `single` asks for one thread. On one CPU the clock counts instructions, and the guest's stands still meanwhile.
monitor_run() {
  local board=$1 platform=$2 image monitor accel=tcg machine=() file=$qemu_files/apus.igvm size
  local sized=$memory
  shift 2
  need qemu-system-x86_64 qemu-system-x86
  # Ten thousand tasks take more than the range of a kernel that serves a guest: it is sized for a larger one.
  if [ -n "$measures" ] && [ "$memory" -ge 256 ]; then sized=131072; fi
  image=$(boards/build "$board" ${trace:+--trace} ${level:+--$level} ${measures:+--bench} ${vtpm:+--vtpm}) || exit $?
  monitor=$(boards/build monitor) || exit $?
  monitor_words
  if ! .build/tool/release/apus igvm build --board "$board" --hypervisor monitor --elf "$image" --vcpus "$cpus" \
    --guest-memory "${sized}M" --append "$words" "$@" -o "$file" >"$qemu_files/build"; then
    die 2 "there is no IGVM file of $image"
  fi
  # The monitor's own memory, and the file, come on top of the guest's.
  size=$((memory + memory / 64 + 19 + $(stat -c %s "$file") / 1048576))
  # With more CPUs than the machine has, each on a thread, most of the time goes into waiting for whoever has the lock.
  if [ "$cpus" -gt 4 ] || [ -n "${exact:-}${single:-}" ]; then accel=tcg,thread=single; fi
  if [ -n "${exact:-}" ] || { [ "$cpus" = 1 ] && [ -n "$until" ]; }; then machine+=(-icount shift=0,align=off,sleep=off); fi
  if [ -n "$gdb" ]; then
    machine+=(-S -gdb tcp:127.0.0.1:1234)
    echo "waiting for: gdb $image -ex 'target remote 127.0.0.1:1234'" >&2
  fi
  if declare -F board_plugin >/dev/null; then board_plugin "$image"; fi
  qemu_run "$image" "$timeout" -machine q35 -accel "$accel" -cpu "$(monitor_cpu)" -smp "$cpus" -m "$size" \
    "${machine[@]}" "${plugin[@]}" -kernel "$monitor" -initrd "$file" -append "$platform memory=$memory ${host:-} $(monitor_hostile_words)"
}

# monitor_calls_plugin IMAGE: has the plugin count the kernel's instructions whenever the test guest reads its counter, and
# where a call passes from part to part. `marks` holds the board's marks of where the kernel looks at the call and answers.
monitor_calls_plugin() {
  local library
  library=$(ci/plugin/build) || die 6 "the plugin that counts instructions does not build: it needs clang and lld"
  plugin=(-plugin "$library,out=$qemu_files/count,limit=0,within=0x7f8000000000:0x7fffffffffff$marks")
  plugin[1]+=$(ci/plugin/at "${guest_image%.flat}" cycles=guest_cycles call="guest_$2_leaves" return="guest_$2_returns") &&
    plugin[1]+=$(ci/plugin/at "$1" 'rest~11RequestLoop5SliceV5begin' ${vtpm:+'handler~11RequestLoop9ProtocolsV5serve.*VTPMService'}) ||
    die 6 "the images have no marks"
}

# monitor_calls: prints what the plugin counted of a guest's calls.
monitor_calls() {
  local apus
  [ -s "$qemu_files/count" ] || return 0
  apus=$(bench_tool) || exit $?
  "$apus" bench calls "$qemu_files/count"
}

# monitor_json [INSTRUCTIONS BOOT-CPU]: the last line of a run --until idle, one JSON object. Without INSTRUCTIONS they are
# the guest's clock on one CPU, which counts nothing else, and null on several.
monitor_json() {
  local instructions=${1:-null} own=
  # Under attack a defined end is enough, and the monitor has said which.
  if [ -n "$hostile" ]; then return 0; fi
  if [ ! -s "$qemu_files/idle" ]; then
    echo "run: the machine ended well but never said it was idle" >&2
    return 1
  fi
  if [ $# -ge 2 ]; then own=",\"boot_cpu_instructions\":$2"; fi
  if [ $# -eq 0 ] && [ "$cpus" = 1 ]; then instructions=$(sed -n 's/.* cycles=\([0-9]*\).*/\1/p' "$qemu_files/idle"); fi
  sed "s/^apus-idle board=\([a-z]*\) cpus=\([0-9]*\) tasks=\([0-9]*\) cycles=[0-9]* image=\([0-9]*\) memory=\([0-9]*\)\$/{\"board\":\"\1\",\"cpus\":\2,\"tasks\":\3,\"instructions\":$instructions$own,\"image_bytes\":\4,\"memory_bytes\":\5}/" \
    "$qemu_files/idle"
}
