#!/usr/bin/env python3
"""Runs the benches and keeps their medians: benches/results/<date>-<cpu>.csv, and lscpu beside it.

Needs nothing but Python 3.9 and lscpu. A run of the same day on the same CPU is replaced.
"""

import csv
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import tempfile

BENCHES = pathlib.Path(__file__).resolve().parent
COMMAND = ["cargo", "bench", "--workspace", "--bench", "recognition"]


def output(*command):
    return subprocess.run(command, cwd=BENCHES, check=True, capture_output=True, text=True).stdout.strip()


def cpu():
    found = re.search(r"^Model name:\s*(.+)$", output("lscpu"), re.MULTILINE)
    return found[1] if found else platform.machine()


def medians(criterion):
    """Name, median, and its 95 % confidence interval in milliseconds of every bench."""
    for estimates in criterion.glob("**/new/estimates.json"):
        name = json.loads(estimates.with_name("benchmark.json").read_text())["full_id"]
        median = json.loads(estimates.read_text())["median"]
        interval = median["confidence_interval"]
        nanoseconds = (median["point_estimate"], interval["lower_bound"], interval["upper_bound"])
        yield name, *(f"{value / 1e6:.4f}" for value in nanoseconds)


def main():
    load_before = os.getloadavg()[0]
    # A folder of its own: the usual one also holds benches that are long gone.
    with tempfile.TemporaryDirectory() as criterion:
        subprocess.run(COMMAND, cwd=BENCHES, check=True, env={**os.environ, "CRITERION_HOME": criterion})
        rows = sorted(medians(pathlib.Path(criterion)))
    if not rows:
        raise SystemExit("the run left no estimates")

    slug = re.sub(r"[^a-z0-9]+", "-", cpu().lower()).strip("-")
    results = BENCHES / "results"
    results.mkdir(exist_ok=True)
    stem = results / f"{datetime.date.today()}-{slug}"
    with open(f"{stem}.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["benchmark", "median_ms", "low_ms", "high_ms"])
        writer.writerows(rows)
    conditions = [
        f"commit: {output('git', 'describe', '--always', '--dirty')}",
        output("rustc", "--version"),
        f"load average: {load_before:.1f} before the run, {os.getloadavg()[0]:.1f} after it",
    ]
    pathlib.Path(f"{stem}.lscpu.txt").write_text("\n".join([*conditions, "", output("lscpu")]) + "\n")
    print(f"recorded: {stem}.csv")


if __name__ == "__main__":
    main()
