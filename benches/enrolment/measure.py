#!/usr/bin/env python3
"""Measures enrolment of a large folder of known people, and of a small change to it.

    benches/enrolment/measure.py --photos ../shared/data/lfw-dev/images --models ../shared/models --pack fast
    benches/enrolment/measure.py --faceless --count 100000

Makes --count photos of the JPEG files below --photos, each with bytes of its own, one folder a person of
four photos; enrols them, enrols again with nothing changed, then adds --add photos and removes --remove.
With --faceless the photos are tiny and show nobody: what is measured then is listing, remembering and
publishing. Prints one JSON line; times in seconds, the most resident memory in MiB. Fails when another
number of photos was embedded than were new.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, help="folder of JPEG files, at any depth")
    parser.add_argument("--faceless", action="store_true", help="tiny photos of nobody instead")
    parser.add_argument("--count", type=int, default=13_000)
    parser.add_argument("--add", type=int, default=10)
    parser.add_argument("--remove", type=int, default=5)
    parser.add_argument("--pack", default="builtin")
    parser.add_argument("--models", type=Path, help="folder of the pack's networks")
    parser.add_argument("--recognizer", type=Path, default=REPOSITORY / "target/release/recognizer")
    arguments = parser.parse_args()
    if not arguments.faceless and not arguments.photos:
        parser.error("--photos or --faceless is required")
    return arguments


def with_comment(jpeg, text):
    """The same picture with a comment after its first marker: another file to any digest."""
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


def photo_maker(arguments):
    """A function from a number to a photo's content."""
    if arguments.faceless:
        return lambda number: b"P6 # %d\n16 16 255\n" % number + bytes(3 * 16 * 16)
    files = sorted(arguments.photos.rglob("*.jpg"))
    if not files:
        sys.exit(f"{arguments.photos}: no *.jpg below it")
    return lambda number: with_comment(files[number % len(files)].read_bytes(), b"%d" % number)


def write(known, numbers, make):
    extension = "ppm" if make(0).startswith(b"P6") else "jpg"
    for number in numbers:
        person = known / f"person {number // 4:06}"
        person.mkdir(exist_ok=True)
        path = person / f"{number:07}.{extension}"
        path.write_bytes(make(number))
        # An hour old: a photo as young as the enrolment is read again by the next.
        an_hour_ago = time.time() - 3600
        os.utime(path, (an_hour_ago, an_hour_ago))


def reindex(arguments, known, index):
    """The report, the seconds of the whole command, and its most resident memory in MiB."""
    command = [arguments.recognizer, "--json", "--pack", arguments.pack]
    command += ["--models", arguments.models] if arguments.models else []
    started = time.monotonic()
    process = subprocess.Popen([*command, "reindex", known, "--index", index], stdout=subprocess.PIPE)
    report = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    if status != 0:
        sys.exit(f"recognizer reindex ended with status {os.waitstatus_to_exitcode(status)}")
    return json.loads(report), round(seconds, 3), round(usage.ru_maxrss / 1024)


def main():
    arguments = parse_arguments()
    make = photo_maker(arguments)
    place = Path(tempfile.mkdtemp(prefix="facerecog-enrolment-"))
    try:
        known, index = place / "known", place / "index"
        known.mkdir()
        write(known, range(arguments.count), make)
        first, first_seconds, first_memory = reindex(arguments, known, index)
        _, unchanged_seconds, unchanged_memory = reindex(arguments, known, index)
        write(known, range(arguments.count, arguments.count + arguments.add), make)
        for photo in sorted(known.rglob("*.*"))[: arguments.remove]:
            photo.unlink()
        change, change_seconds, change_memory = reindex(arguments, known, index)
    finally:
        shutil.rmtree(place)
    print(
        json.dumps(
            {
                "work": f"enrol {arguments.count}, then {arguments.add} more and {arguments.remove} fewer",
                "pack": arguments.pack,
                "first_s": first_seconds,
                "first_embeddings": first["embeddings"],
                "first_mib": first_memory,
                "unchanged_s": unchanged_seconds,
                "unchanged_mib": unchanged_memory,
                "change_s": change_seconds,
                "change_mib": change_memory,
                "embedded": change["embedded"],
                "removed": change["removed"],
            }
        )
    )
    if first["embedded"] != arguments.count or change["embedded"] != arguments.add:
        sys.exit(f"{first['embedded']} and {change['embedded']} photos were embedded")


if __name__ == "__main__":
    main()
