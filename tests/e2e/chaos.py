#!/usr/bin/env python3
"""500 photos through the whole system, while each process in turn is killed with SIGKILL and started again, twice.

    make chaos

Two processors and a redeemer are at work; photos are posted all the time, and posted again when the receiver was
killed before it answered. Prints one line of JSON; exit status 1 when a demand is not met:

- no photo is lost, none is in the table twice, none was processed twice;
- every row is settled, and has the person that `recognizer identify` names, or FAILED where nobody is known;
- while the recognizer is away the circuit breaker opens, and closes once it is back, as its metric shows.
"""

import http.client
import sys
import tempfile
import threading
import time
from pathlib import Path

import options
from conclusion import conclude
from photos import choose
from system import System, wait_for

ROUNDS = 2
# Photos posted and not settled, so that there is work under way whenever a process is killed.
BACKLOG = 60
BATCH = 5
AWAY_SECONDS = 1.5
SETTLE_SECONDS = 120


class Poster(threading.Thread):
    """Posts photos one by one and in batches, until the receiver has taken them."""

    def __init__(self, system, paths):
        super().__init__(daemon=True)
        self.system, self.paths = system, paths
        self.posted, self.again, self.hurry = 0, 0, threading.Event()

    def run(self):
        single = True
        while self.posted < len(self.paths):
            if not self.hurry.is_set() and self.posted - self.settled() > BACKLOG:
                time.sleep(0.05)
                continue
            group = self.paths[self.posted:self.posted + (1 if single else BATCH)]
            single = not single
            while not self.taken(group):
                self.again += 1
                time.sleep(0.2)
            self.posted += len(group)

    def settled(self):
        try:
            return self.system.settled()
        except RuntimeError:
            # The database is away.
            return 0

    def taken(self, group):
        try:
            self.system.post(group)
            return True
        except (OSError, http.client.HTTPException):
            # Killed before or after it had stored them: those that are there already are not stored again.
            return False


def circuit(system, state):
    return [system.metrics(processor)[f'facerecog_processor_circuit{{state="{state}"}}'] == 1
            for processor in system.processors]


def kill(system, name):
    process = system.processes[name]
    process.kill()
    if name == "recognizer":
        wait_for("an open circuit", lambda: any(circuit(system, "open")))
    else:
        time.sleep(AWAY_SECONDS)
    process.start()
    if name == "recognizer":
        wait_for("closed circuits", lambda: all(circuit(system, "closed")))


def main():
    arguments = options.parse(__doc__)
    folder = Path(tempfile.mkdtemp(prefix="facerecog-chaos-"))
    print(f"{folder} has the logs", file=sys.stderr)
    photos = choose(arguments.shared, folder, arguments.recognizer)
    system = System(folder, arguments.pipeline, arguments.recognizer, photos)
    failures = []
    try:
        alone = system.recognizer_rate()
        system.add_processor()
        system.add_processor()
        system.add_redeemer()
        poster = Poster(system, photos.paths)
        started = time.monotonic()
        poster.start()
        for number in range(ROUNDS):
            for name in ("recognizer", "processor-1", "receiver", "nsqd", "mariadb"):
                settled = system.settled()
                kill(system, name)
                print(f"round {number + 1}: {name} killed after {settled} photos", file=sys.stderr)
                if settled == len(photos.paths):
                    failures.append(f"{name} was killed when all work was done")
                # Something gets done between two kills.
                wait_for("work", lambda: system.settled() > settled or poster.posted == len(photos.paths))
        poster.hurry.set()
        poster.join(SETTLE_SECONDS)
        posted = poster.posted
        wait_for("settled photos", lambda: system.settled_once_waits_are_over() >= posted, SETTLE_SECONDS)
        seconds = time.monotonic() - started
        if not all(circuit(system, "closed")):
            failures.append("a circuit is not closed at the end")
        wrong = system.wrong()
        failures += wrong[:10]
        twice = system.twice()
        settled = system.settled()
        lost = len(photos.paths) - int(system.database.rows("select count(distinct path) from images")[0][0])
    finally:
        unclean = system.stop()
    print(f"{poster.again} posts were made again", file=sys.stderr)
    report = {
        "photos": len(photos.paths), "settled": settled, "lost": lost, "twice": twice,
        "photos_per_s": round(settled / seconds, 1), "recognizer_photos_per_s": round(alone, 1),
    }
    return conclude("chaos", report, failures, unclean, None if arguments.keep else folder)


if __name__ == "__main__":
    sys.exit(main())
