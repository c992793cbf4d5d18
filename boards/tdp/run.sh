# run: how boards/run starts the TDP board: as a TD of the monitor.
. boards/lib/monitor.sh

plugin=() host='l2=1' idle= exact= guest=

board_help() {
  cat <<'TEXT'

The board tdp:
  --host WORDS     further words for the monitor's command line: l2=N (1), absent=N and late=N (a CPU that the host
                   never starts, or a second late), start-seed=N (CPUs start at random), drop-interrupts
  --guest NAME     selftest: boards/guest as the L2 of every vCPU, with its checks; fuzz: it makes random calls; cpuid:
                   it leaves by CPUID and the last line says what the L1 executed
                   (--append "guest-seed=N guest-count=N" for the last two); bench: it measures its calls, in ticks,
                   and with --exact in the kernel's own instructions
  --vtpm           the image that serves its guest a TPM (boards/build tdp --vtpm)
  --exact          one CPU thread and a clock of instructions: every run executes the same ones
  --idle S         stay at idle for S seconds, then say how many instructions the machine executed meanwhile;
                   anything but 0 is exit code 1
TEXT
  monitor_hostile_help
}

board_option() {
  case $1 in
    --host) value "$@"; host="$host $2"; taken=2 ;;
    --guest)
      value "$@"
      case $2 in selftest | fuzz | cpuid | bench) ;; *) die 2 "--guest takes selftest, fuzz, cpuid or bench, not '$2'" ;; esac
      guest=$2 taken=2
      ;;
    --exact) exact=1; taken=1 ;;
    --vtpm) vtpm=1; taken=1 ;;
    --idle) value "$@" && whole "$2" 1 3600 || die 2 "--idle takes 1 to 3600 seconds, not '${2:-}'"; idle=$2; taken=2 ;;
    *) monitor_option "$@" ;;
  esac
}

# board_plugin IMAGE: has the plugin count what the TD executes from its reset vector to idle, told from the monitor by
# the addresses: reset page, boot code where it is loaded, kernel.
board_plugin() {
  local library marks
  if [ "$guest" = bench ]; then
    if [ -z "$exact" ]; then return; fi
    # Where the kernel sees vCPU 0's calling areas (KernelLayout): the first (TDPGuestLaunch) and the guest's other one.
    marks=",read=take:0x2000001fe000,write=answer:0x2000001fe000,read=take:0x200000802000,write=answer:0x200000802000"
    monitor_calls_plugin "$1" td
    return
  fi
  if [ -z "$until$idle" ] && [ "$guest" != cpuid ] || [ ! -x ci/plugin/build ]; then return; fi
  if ! library=$(ci/plugin/build 2>/dev/null); then
    [ -z "$idle" ] || die 6 "the plugin that counts instructions does not build: it needs clang and lld"
    return
  fi
  plugin=(-plugin "$library,out=$qemu_files/count,limit=0,at=reset:0xfffffff0,within=0xfffff000:0xffffffff")
  plugin[1]+=",within=0x8000000:0x8ffffff,within=0x7f8000000000:0x7fffffffffff"
  if [ "$guest" = cpuid ]; then return; fi
  if [ -n "$idle" ]; then
    plugin[1]+=",at=halt:$(symbol "$1" apus_tdcall_open),idle=halt:$idle,quit=on"
  else
    plugin[1]+=",at=idle:$(symbol "$1" apus_idle_mark)"
  fi
}

# tdp_instructions: "total boot-vCPU" from each vCPU's reset to the moment at which all have idled; "null null" if nobody
# counted. QEMU's own firmware passes the same reset vector once before: the last mark of a CPU counts.
tdp_instructions() {
  if [ ! -s "$qemu_files/count" ]; then echo null null && return; fi
  awk -F'"within":\\[' '
    function cpu() { match($1, /"cpu":[0-9]+/); return substr($1, RSTART + 6, RLENGTH - 6) + 1 }
    /"name":"reset"/ { split($2, own, /[],]/); first[cpu()] = own[cpu()] }
    /"name":"idle"/ { n = split($2, last, /[],]/) }
    END {
      for (c in first) total += last[c] - first[c]
      if (total > 0) printf "%d %d\n", total, last[1] - first[1]; else print "null null"
    }' "$qemu_files/count"
}

board_run() {
  local code line guest_image
  if [ -n "$idle" ]; then
    [ -z "$until" ] || die 2 "--idle and --until are two ways to end: take one"
    [ "$timeout" -gt 0 ] || timeout=$((60 + 2 * cpus + idle))
    monitor_run tdp tdx 2>"$qemu_files/said"
    line=$(sed -n 's/.*"event":"idle","seconds":\([0-9]*\),"total":\([0-9]*\),.*/\1 \2/p' "$qemu_files/count" 2>/dev/null)
    [ -n "$line" ] || { cat "$qemu_files/said" >&2 && exit 4; }
    echo "{\"board\":\"tdp\",\"cpus\":$cpus,\"idle_seconds\":${line% *},\"instructions\":${line#* }}"
    [ "${line#* }" = 0 ] || exit 1
    exit 0
  fi
  if [ -n "$guest" ]; then
    guest_image=$(boards/build guest) || exit $?
    words=" guest=$guest$words"
    # vCPUs that wait for each other: on few real CPUs a thread each takes turns of milliseconds, one thread of a PAUSE.
    if [ "$cpus" -gt "$(nproc)" ]; then single=1; fi
    # The guest ends the run; a limit keeps one that hangs from staying.
    [ "$timeout" -gt 0 ] || [ -n "$gdb" ] || timeout=$((240 + 4 * cpus))
    monitor_run tdp tdx --guest-image "$guest_image"
    code=$?
    if [ $code = 0 ] && [ "$guest" = cpuid ]; then
      sed -n 's/.*"event":"end".*"within":\[\([0-9,]*\)\].*/\1/p' "$qemu_files/count" | tr , + | { read -r sum; echo $((sum)); } |
        sed 's/.*/{"board":"tdp","guest":"cpuid","instructions":&}/'
    fi
    if [ $code = 0 ] && [ "$guest" = bench ]; then monitor_calls; fi
    exit $code
  fi
  monitor_run tdp tdx
  code=$?
  if [ $code -eq 0 ] && [ -n "$until" ]; then monitor_json $(tdp_instructions) || code=4; fi
  exit $code
}

# The suite has no protocols of its own: only the guest's calls are for the image with a TPM.
tdp_measure() { local vtpm=; monitor_run tdp tdx; }
bench_guest() {
  local measures= guest=bench plugin=() guest_image words=" guest=bench$words"
  guest_image=$(boards/build guest) || exit $?
  monitor_run tdp tdx --guest-image "$guest_image"
}
board_bench() { bench_kernel tdp_measure; }
