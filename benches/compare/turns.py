"""What every comparison does: both sides in turns, a line of JSON for each comparison, and all lines kept in a file."""

import csv
import datetime
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import record  # noqa: E402

ROOT = HERE.parent.parent
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
SHARED = pathlib.Path(os.environ.get("FACERECOG_SHARED", ROOT.parent / "shared"))
MODELS = pathlib.Path(os.environ.get("FACERECOG_MODELS", SHARED / "models"))
FOLDER = TARGET / "compare"


class Child:
    """A process of ours that answers each line with a line."""

    def __init__(self, *command):
        self.name = command[0].name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} ended while it was asked: {' '.join(map(str, words))}")
        return answer

    def times(self, *words):
        return [float(time) for time in self.ask(*words).split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def original(script, paths):
    """What a script of `original/` says of each photo, by face_recognition from pip in an environment of its own."""
    folder = HERE / "original"
    command = ["tests/peers/venv.sh", folder, "compare-original-venv"]
    python = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    lines = "\n".join(map(str, paths))
    answer = subprocess.run([python, folder / script], input=lines, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in answer.splitlines()]


def in_turns(rounds, works):
    """Milliseconds of each of the works, one after the other in each round. The first round is not counted."""
    times = [[work(number) for work in works] for number in range(rounds + 1)]
    return list(zip(*times[1:]))


def compare(work, ours, peer, peer_times, **more):
    ours_ms, peer_ms = statistics.median(ours), statistics.median(peer_times)
    return {
        "work": work,
        "ours_ms": round(ours_ms, 3),
        "peer": peer,
        "peer_ms": round(peer_ms, 3),
        "ratio": round(peer_ms / ours_ms, 2),
        "ours_min_ms": round(min(ours), 3),
        "peer_min_ms": round(min(peer_times), 3),
        **more,
    }


def show(line):
    print(json.dumps(line), flush=True)
    return line


def keep(name, lines, load_before, peers):
    """Keeps the lines as benches/results/<date>-<cpu>-<name>.csv, and the conditions beside it."""
    cpu = re.sub(r"[^a-z0-9]+", "-", record.cpu().lower()).strip("-")
    stem = HERE.parent / "results" / f"{datetime.date.today()}-{cpu}-{name}"
    columns = list(dict.fromkeys(column for line in lines for column in line))
    with open(f"{stem}.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    conditions = [
        f"commit: {record.output('git', 'describe', '--always', '--dirty')}",
        record.output("rustc", "--version"),
        peers,
        f"load average: {load_before:.1f} before the run, {os.getloadavg()[0]:.1f} after it",
    ]
    pathlib.Path(f"{stem}.lscpu.txt").write_text("\n".join([*conditions, "", record.output("lscpu")]) + "\n")
    print(f"recorded: {stem}.csv", file=sys.stderr)
