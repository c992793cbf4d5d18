# run: how boards/run starts the SNP board: as an SNP guest of the monitor, at VMPL0.
. boards/lib/monitor.sh

plugin=() host= guest= count= exact=

board_help() {
  cat <<'TEXT'

The board snp:
  --guest NAME     with a guest at VMPL2: selftest (the statements of boards/guest), fuzz (random calls by --seed),
                   lean (a kernel without memory, which lives on what the guest deposits; with --vtpm),
                   bench (figures: ticks, and with --exact the kernel's own instructions)
  --count N        how many calls the fuzzer makes
  --vtpm           the image that serves its guest a TPM (boards/build snp --vtpm)
  --exact          one CPU thread and a clock of instructions: every run executes the same ones
  --host WORDS     further words for the monitor's command line (cbit=N, apic-ids=N,N,…, shared)
TEXT
  monitor_hostile_help
}

board_option() {
  case $1 in
    --guest)
      value "$@"
      case $2 in selftest | fuzz | lean | bench) guest=$2 ;; *) die 2 "--guest takes selftest, fuzz, lean or bench, not '$2'" ;; esac
      taken=2
      ;;
    --count) value "$@" && whole "$2" 1 999999999 || die 2 "--count takes a number, not '${2:-}'"; count=$2; taken=2 ;;
    --exact) exact=1; taken=1 ;;
    --vtpm) vtpm=1; taken=1 ;;
    --host) value "$@"; host="$host $2"; taken=2 ;;
    *) monitor_option "$@" ;;
  esac
}

# board_plugin IMAGE: has the plugin count the kernel's instructions whenever the guest reads its counter, and where a
# request passes from part to part.
board_plugin() {
  local library
  if [ "$guest" != bench ] || [ -z "$exact" ]; then return; fi
  library=$(ci/plugin/build) || die 6 "the plugin that counts instructions does not build: it needs clang and lld"
  plugin=(-plugin "$library,out=$qemu_files/count,limit=0,within=0x7f8000000000:0x7fffffffffff")
  plugin[1]+=",at=cycles:$(symbol "${guest_image%.flat}" guest_cycles)"
  plugin[1]+=$(ci/plugin/at "$1" exit=apus_snp_run_end take=apus_guest_take_call answer=apus_guest_answer entry=apus_snp_run_window)
}

# snp_figures: of each measured section, which lies between every third and fourth look at the counter, the kernel's
# instructions and how many of them lock, in the order of the guest's own figures. Then L10's parts for the queries of the
# second section, whose commonest triple it is: from the guest's exit to the reading of its call, from there to the writing
# of the reply, and from there to the next entry. Core's calls are served where they are decoded: b and c are one.
snp_figures() {
  [ -s "$qemu_files/count" ] || return 0
  sed -n 's/.*"name":"\([a-z]*\)".*"within":\[\([0-9]*\)[],].*"locked":\[\([0-9]*\)[],].*/\1 \2 \3/p' "$qemu_files/count" | awk '
    $1 == "cycles" && ++looks % 4 == 3 { first = $2; locked = $3; section++; isMeasured = 1; exit_ = 0 }
    $1 == "cycles" && looks % 4 == 0 { print "kernel " section " " $2 - first " locked " $3 - locked; isMeasured = 0 }
    !isMeasured || section != 2 { next }
    $1 == "exit" { exit_ = $2; decoded = reply = 0 }
    $1 == "take" && exit_ { decoded = $2 }
    $1 == "answer" && exit_ && decoded { reply = $2 }
    $1 == "entry" && exit_ && reply { parts[decoded - exit_ " " reply - decoded " " $2 - reply]++; exit_ = 0 }
    END {
      for (triple in parts) if (parts[triple] > most) { most = parts[triple]; found = triple }
      split(found, part, " ")
      if (most) print "L10 query: a " part[1] ", b and c " part[2] ", d " part[3] " instructions, in " most " requests"
    }'
}

board_run() {
  local code image=() guest_image
  if [ -n "$guest" ]; then
    [ -z "$until" ] || die 2 "--guest and --until are two ways to end: take one"
    [ "$timeout" -gt 0 ] || timeout=$((120 + 4 * cpus))
    guest_image=$(boards/build guest) || exit $?
    image=(--guest-image "$guest_image")
    if [ "$guest" = lean ]; then words="$words lean"; fi
    words="$words -- $guest"
    if [ "$guest" = fuzz ]; then words="$words seed=${hostile_seed:-1}${count:+ count=$count}"; fi
  fi
  monitor_run snp snp "${image[@]}"
  code=$?
  if [ $code -eq 0 ] && [ -n "$until" ]; then monitor_json || code=4; fi
  if [ $code -eq 0 ] && [ "$guest" = bench ]; then snp_figures; fi
  exit $code
}

snp_measure() { monitor_run snp snp; }
board_bench() { bench_kernel snp_measure; }
