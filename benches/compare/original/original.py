#!/usr/bin/env python3
"""Asks `recognizer serve` and the original service who is on a photo, with 30 known photos of 27 megapixels, over gRPC.

Prints one JSON line for each pack and keeps them in benches/results/<date>-<cpu>-original.csv. Run by
`make compare WORK=original`. Both sides may use all cores.
"""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import contract
import grpc
import PIL.Image

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import turns  # noqa: E402

KNOWN_PHOTOS = 30
# 0.9 megapixels each.
SIDE = 950
PROBE, ANSWER = turns.ROOT / "examples/obama2.jpg", "obama.jpg"
ROUNDS = 5
# Calls of ours in a round.
COUNT = 50
SECONDS = 600


def known_people(folder):
    """People of LFW, enlarged to the size of photos, and the one who is asked for."""
    people = sorted((turns.SHARED / "data/lfw-dev/images").rglob("*_0001.jpg"))
    if len(people) < KNOWN_PHOTOS:
        raise SystemExit(f"{turns.SHARED}: no photos of LFW there; set FACERECOG_SHARED to the folder that has them")
    shutil.copy(turns.ROOT / "known_people" / ANSWER, folder)
    for path in people[:: len(people) // (KNOWN_PHOTOS - 1)][: KNOWN_PHOTOS - 1]:
        PIL.Image.open(path).resize((SIDE, SIDE), PIL.Image.Resampling.BICUBIC).save(folder / path.name, quality=90)


@contextlib.contextmanager
def running(*command, listening):
    """A server; `listening` matches the line that ends with its port."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(listening, line):
                with grpc.insecure_channel(f"127.0.0.1:{found[1]}") as channel:
                    yield contract.services.IdentifyStub(channel)
                return
        raise SystemExit(f"{command[0]} ended: {''.join(said[-5:])}")
    finally:
        process.terminate()
        process.stdout.close()
        process.wait()


def ask(service):
    start = time.perf_counter()
    answer = service.Identify(contract.messages.IdentifyRequest(image_path=str(PROBE)), timeout=SECONDS)
    milliseconds = (time.perf_counter() - start) * 1e3
    if answer.image_name != ANSWER:
        raise SystemExit(f"{PROBE} is answered with {answer.image_name}")
    return milliseconds


def until_ready(service):
    """Answers come before everyone is known."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(SystemExit, grpc.RpcError):
            ask(service)
            return
        time.sleep(0.2)
    ask(service)


def measure(folder):
    known, recognizer = folder / "known_people", turns.TARGET / "release/recognizer"
    known.mkdir()
    known_people(known)

    def ours(pack):
        command = [recognizer, "serve", "--pack", pack, "--models", turns.MODELS, "--known", known]
        command += ["--index", folder / pack, "--address", "127.0.0.1:0", "--metrics-address", "off"]
        return running(*command, listening=r"listening on \S+:(\d+)")

    original = running(sys.executable, "-W", "ignore", HERE / "service.py", known, listening=r"^(\d+)$")
    with original as peer, ours("builtin") as builtin, ours("fast") as fast:
        packs = {"builtin": builtin, "fast": fast}
        for service in packs.values():
            until_ready(service)
        sides = [lambda _, service=service: [ask(service) for _ in range(COUNT)] for service in packs.values()]
        rounds = turns.in_turns(ROUNDS, [lambda _: [ask(peer)], *sides])
    peer_times, *of_packs = [[time for some in each for time in some] for each in rounds]
    for pack, times in zip(packs, of_packs):
        yield turns.compare(f"request, {KNOWN_PHOTOS} known photos, pack {pack}", times, "original", peer_times)


def main():
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        lines = [turns.show(line) for line in measure(pathlib.Path(folder))]
    import dlib
    import face_recognition

    peers = f"face_recognition {face_recognition.__version__}, dlib {dlib.__version__}, all cores for both"
    turns.keep("original", lines, load_before, peers)


if __name__ == "__main__":
    main()
