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

# board_plugin IMAGE: a call of the test guest, from part to part.
board_plugin() {
  local marks
  if [ "$guest" != bench ] || [ -z "$exact" ]; then return; fi
  marks=$(ci/plugin/at "$1" take=apus_guest_take_call answer=apus_guest_answer) || die 6 "the image has no marks"
  monitor_calls_plugin "$1" snp
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
  if [ $code -eq 0 ] && [ "$guest" = bench ]; then monitor_calls; fi
  exit $code
}

# The suite has no protocols of its own: only the guest's calls are for the image with a TPM.
snp_measure() { local vtpm=; monitor_run snp snp; }
bench_guest() {
  local measures= guest=bench plugin=() guest_image words="$words -- bench"
  guest_image=$(boards/build guest) || exit $?
  monitor_run snp snp --guest-image "$guest_image"
}
board_bench() { bench_kernel snp_measure; }
