# tools: what boards/build, boards/run and the boards' own scripts share.

# die CODE MESSAGE: one line on standard error, and out.
die() {
  echo "${0##*/}: $2" >&2
  exit "$1"
}

# progress MESSAGE: says what is being done, unless nobody watches.
progress() { if [ -z "${APUS_QUIET:-}" ]; then echo "${0##*/}: $1" >&2; fi; }

# boards [FILE]: the boards that have FILE (toolset.json: those that can be built; run.sh: those that run), on one line.
boards() { local one; for one in boards/*/"${1:-toolset.json}"; do one=${one%/*} && echo "${one##*/}"; done | paste -sd' '; }

# need COMMAND PACKAGE: installs a Debian package if the command is missing.
need() {
  command -v "$1" >/dev/null && return
  command -v apt-get >/dev/null || die 6 "$1 is missing and there is no apt-get: install the package $2"
  [ "$(id -u)" = 0 ] || die 6 "$1 is missing: install the package $2, or run this once as root"
  progress "installing $2"
  local log
  log=$(mktemp)
  if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$2"; } \
    >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    rm -f "$log"
    die 6 "installing $2 failed"
  fi
  rm -f "$log"
  command -v "$1" >/dev/null || die 6 "$2 is installed but $1 is still missing"
}

# whole VALUE LOWEST HIGHEST: whether VALUE is a whole number in that range.
whole() { [[ $1 =~ ^[0-9]{1,9}$ ]] && [ "$((10#$1))" -ge "$2" ] && [ "$((10#$1))" -le "$3" ]; }

# toolchain NAME: the tool beside swift, or on the PATH, or nothing.
toolchain() {
  local swift
  swift=$(command -v swift) && swift=$(dirname "$(readlink -f "$swift")")/$1
  if [ -x "${swift:-}" ]; then echo "$swift"; else command -v "$1" || true; fi
}

# symbol IMAGE NAME: the address of a symbol of the image, 0x first.
symbol() { "$(toolchain llvm-nm)" "$1" | awk -v name="$2" '$3 == name && !found { print "0x" $1; found = 1 }'; }
