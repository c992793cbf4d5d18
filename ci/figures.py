# figures: what the board benchmarks share: running a board, its guest's calls, readings beside thresholds and limits.
import json
import re
import subprocess
import sys

# design.md, "The runtime".
SLICE = 250_000
# A count that grew by more than this share of its threshold has grown; code of other rooms moves them a little.
TOLERANCE = 0.02


def run(board, *options, codes=(0,)):
    """The output of one run of a board, which must end well."""
    result = subprocess.run(["boards/run", board, *options], stdout=subprocess.PIPE, text=True)
    if result.returncode not in codes or not result.stdout:
        sys.stderr.write(result.stdout)
        sys.exit(result.returncode or 4)
    return result.stdout


def last_object(text):
    """The JSON object in the last line."""
    line = text.splitlines()[-1]
    if not line.startswith("{"):
        sys.exit(f"bench: this is no result: {line}")
    return json.loads(line)


class Calls:
    """The calls of the measuring guest: the kernel's instructions of each of its sections, as the plugin counts them."""

    def __init__(self, board, *options):
        text = run(board, "--guest", "bench", "--exact", "--cpus", "1", *options)
        found = re.findall(r"^kernel \d+ (\d+) locked (\d+) slices (\d+) longest (\d+)$", text, re.M)
        names = re.findall(r"^figure long (.*) \d+$", text, re.M)
        if not names or len(found) < len(names):
            sys.exit("bench: the guest and the plugin do not agree on the sections")
        columns = [[int(line[column]) for line in found] for column in range(4)]
        self.instructions, self.locked, slices, longest = columns
        # The long requests come last, and each has a name.
        self.slices = {name: (longest[index - len(names)], slices[index - len(names)]) for index, name in enumerate(names)}
        self.slices["all other calls"] = (max(longest[:-len(names)]), sum(slices[:-len(names)]))
        # L10's parts are all there is between the guest's exit and its entry.
        parts = re.search(r"^L10 query: a (\d+), b and c (\d+), d (\d+), whole (\d+)", text, re.M)
        *parts, whole = (int(part) for part in parts.groups())
        assert sum(parts) == whole and abs(whole - self.instructions[1] // 1000) <= 1, (parts, whole, self.instructions)


def report(path, readings, targets, options, slack={}, slices={}):
    """Prints readings beside the thresholds in `path` and the targets, and slices beside their limit; ends with 1 if one is beyond."""
    try:
        thresholds = json.load(open(path, encoding="utf-8"))
    except FileNotFoundError:
        thresholds = {}
    failures = 0
    for name, value in readings.items():
        limit, target = thresholds.get(name), targets.get(name)
        grew = limit is None or value > limit * (1 + TOLERANCE) + slack.get(name, 0)
        missed = target is not None and value > target
        failures += missed or (grew and "--update" not in options)
        if "--json" in options:
            print(json.dumps({"metric": name, "value": value, "threshold": limit, "target": target, "grew": grew}))
            continue
        words = "" if target is None else f"target {target}{' MISSED' if missed else ''}"
        print(f"{name:64}{value:12}  threshold {'-' if limit is None else limit:>9}  {words} {'GREW' if grew else ''}")
    for name, (longest, count) in slices.items():
        failures += longest > SLICE
        if "--json" in options:
            print(json.dumps({"metric": "longest slice", "call": name, "value": longest, "slices": count, "limit": SLICE}))
            continue
        print(f"{'longest slice of ' + name:64}{longest:12}  of {count:6}  limit {SLICE}{' TOO LONG' if longest > SLICE else ''}")
    if "--update" in options:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(readings, file, indent=2)
            file.write("\n")
    if failures:
        sys.exit(1)
