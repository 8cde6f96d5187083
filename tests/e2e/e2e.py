#!/usr/bin/env python3
"""500 photos through the whole system: with one processor, then two, then four.

    make e2e

Photos are posted one by one and in batches. Prints one line of JSON; exit status 1 when a demand is not met:

- every photo is settled, and has the person that `recognizer identify` names, or FAILED where nobody is known;
- none was processed twice, and none is in the table twice;
- two and four processors share the work, and none meets a photo of another's;
- every process ends in good order on SIGTERM.
"""

import sys
import tempfile
import time
from pathlib import Path

import options
from conclusion import conclude
from photos import choose
from system import System, get, wait_for

BATCH = 25
SETTLE_SECONDS = 120


def work(system, processor):
    """Photos that a processor has settled, and those it was told of that were another's."""
    numbers = system.metrics(processor)
    count = lambda result: numbers[f'facerecog_processor_messages_total{{result="{result}"}}']
    return count("processed") + count("failed"), count("taken")


def post(system, paths):
    """Half of them one by one, the others in batches."""
    half = len(paths) // 2
    groups = [[path] for path in paths[:half]]
    groups += [paths[start:start + BATCH] for start in range(half, len(paths), BATCH)]
    for group in groups:
        lines = system.post(group)
        sent = sum(line == "image sent to nsq" for line in lines)
        if sent != len(group):
            raise SystemExit(f"{len(group)} photos were posted, the receiver answered {lines}")


def main():
    arguments = options.parse(__doc__)
    folder = Path(tempfile.mkdtemp(prefix="facerecog-e2e-"))
    print(f"{folder} has the logs", file=sys.stderr)
    photos = choose(arguments.shared, folder, arguments.recognizer)
    system = System(folder, arguments.pipeline, arguments.recognizer, photos)
    failures = []
    try:
        alone = system.recognizer_rate()
        third = len(photos.paths) // 3
        shares = [photos.paths[:third], photos.paths[third:2 * third], photos.paths[2 * third:]]
        posted, seconds = 0, 0.0
        for copies, paths in zip((1, 2, 4), shares):
            while len(system.processors) < copies:
                system.add_processor()
            before = [work(system, processor)[0] for processor in system.processors]
            started = time.monotonic()
            post(system, paths)
            posted += len(paths)
            wait_for(f"{posted} settled photos", lambda: system.settled() >= posted, SETTLE_SECONDS)
            seconds += time.monotonic() - started
            done = [work(system, processor)[0] - was for processor, was in zip(system.processors, before)]
            print(f"{copies} processors: {[int(photos) for photos in done]} photos", file=sys.stderr)
            if sum(done) != len(paths) or min(done) == 0:
                failures.append(f"{copies} processors did {done} of {len(paths)} photos")
        taken = sum(work(system, processor)[1] for processor in system.processors)
        if taken:
            failures.append(f"{taken} photos were given to two processors")
        wrong = system.wrong()
        failures += wrong[:10]
        if "Persons of Interest" not in get(system.frontend):
            failures.append("the frontend does not answer")
        twice = system.twice()
        settled = system.settled()
    finally:
        unclean = system.stop()
    report = {
        "photos": posted, "settled": settled, "lost": posted - settled, "twice": twice,
        "photos_per_s": round(posted / seconds, 1), "recognizer_photos_per_s": round(alone, 1),
    }
    return conclude("e2e", report, failures, unclean, None if arguments.keep else folder)


if __name__ == "__main__":
    sys.exit(main())
