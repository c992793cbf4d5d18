# run: how boards/run starts the TDP board: as a TD of the monitor.
. boards/lib/monitor.sh

plugin=() host='l2=1'

board_help() {
  cat <<'TEXT'

The board tdp:
  --host WORDS     further words for the monitor's command line (l2=1)
TEXT
  monitor_hostile_help
}

board_option() {
  case $1 in
    --host) value "$@"; host="$host $2"; taken=2 ;;
    *) monitor_option "$@" ;;
  esac
}

board_run() {
  local code
  monitor_run tdp tdx
  code=$?
  if [ $code -eq 0 ] && [ -n "$until" ]; then monitor_json || code=4; fi
  exit $code
}
