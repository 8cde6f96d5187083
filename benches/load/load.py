#!/usr/bin/env python3
"""Many clients at once, while the gallery is published anew every other second, and then SIGTERM.

    make load                       # two minutes, 64 clients, the photos of FACERECOG_SHARED
    make load SECONDS=20

The same people are published under other file names in turn, so that every answer tells from which
generation it comes; one of them is in every other generation only. What is right for each is asked
of `recognizer identify` beforehand. Prints one line of JSON; exit status 1 when a demand is not met:

- every answer is right for the generation that it names;
- there is no error but UNAVAILABLE with a time to come back at;
- the 99th percentile of the time that an answer takes is at most
  1.5 × (queue length ÷ pool width + 1) × mean service time, this being pool width × time ÷ answers;
- the server's resident memory at the end is within 10 % of that after the first 10 seconds;
- after SIGTERM every call that the server has accepted is answered, and it exits with status 0.

Runs in the environment of tests/peers/venv.sh.
"""

import argparse
import collections
import importlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from importlib.resources import files
from pathlib import Path

import grpc
from grpc_tools import protoc

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 60
CALL_SECONDS = 60
WARM_UP_SECONDS = 10
MEMORY_TOLERANCE = 0.1
MIB = 1 << 20
# The distance that the server decides by, as the original does.
THRESHOLD = "0.6"

Code = grpc.StatusCode


def generate_stubs():
    out = tempfile.mkdtemp(prefix="facerecog-stubs-")
    proto = REPOSITORY / "recognizer-server" / "proto"
    folders = [proto, Path(__file__).parent, files("grpc_tools") / "_proto"]
    sources = ["facerecog/v1/recognizer.proto", "status.proto"]
    arguments = [f"-I{folder}" for folder in folders] + [f"--python_out={out}", f"--grpc_python_out={out}"]
    if protoc.main(["protoc", *arguments, *sources]) != 0:
        raise SystemExit("protoc could not compile the protos")
    sys.path.insert(0, out)
    names = ["facerecog.v1.recognizer_pb2", "facerecog.v1.recognizer_pb2_grpc"]
    modules = [importlib.import_module(name) for name in [*names, "status_pb2"]]
    shutil.rmtree(out)
    return modules


v1_pb, v1_grpc, status_pb = generate_stubs()


def demand(condition, why):
    if not condition:
        raise SystemExit(f"load: {why}")


def run(command, *arguments):
    done = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True)
    demand(done.returncode == 0, f"{command} {' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def known_folders(shared, folder):
    """Two folders with the same people under other file names; the last is in the first folder only."""
    celebrities = shared / "data" / "celebs5" / "train"
    people = {person.name: sorted(person.iterdir())[0] for person in sorted(celebrities.iterdir())}
    sets = [folder / "known-1", folder / "known-2"]
    for number, known in enumerate(sets, 1):
        known.mkdir()
        for person, photo in itertools.islice(people.items(), None if number == 1 else len(people) - 1):
            shutil.copyfile(photo, known / f"{person}_{number}.jpg")
    return sets


def photos_of(shared):
    data = shared / "data"
    photos = [path for name in ("celebs5/test", "celebs5/train", "sitcom") for path in (data / name).rglob("*.jp*g")]
    photos += sorted((data / "lfw-dev" / "images").rglob("*.jpg"))[:100]
    return sorted(photos)


class Expected:
    """What the command line answers for each photo, one set of known people a time."""

    def __init__(self, recognizer, index, photos):
        self.faces = {}
        out = run(recognizer, "identify", "--json", "--threshold", THRESHOLD, "--index", index, *photos)
        for line in out.splitlines():
            record = json.loads(line)
            if record["error"] is None:
                matches = [face["match"] for face in record["faces"]]
                self.faces[record["photo"]] = [match and match["image_name"] for match in matches]


def put_in_place(folder, link):
    """Makes `link` lead to `folder`, from one moment to the next."""
    new = link.with_suffix(".new")
    new.symlink_to(folder)
    new.rename(link)


class Publisher(threading.Thread):
    """Has the server publish the sets in turn; `set_of` tells which a generation holds."""

    def __init__(self, address, known, sets, every):
        super().__init__()
        self.address, self.known, self.sets, self.every = address, known, sets, every
        self.set_of, self.error, self.stop = {}, None, threading.Event()

    def publish(self, number):
        put_in_place(self.sets[number], self.known)
        with grpc.insecure_channel(self.address) as channel:
            stub = v1_grpc.RecognizerStub(channel)
            while True:
                try:
                    *_, last = stub.Reindex(v1_pb.ReindexRequest(), timeout=CALL_SECONDS)
                    break
                except grpc.RpcError as error:
                    # The server was reading the folder when another took its place.
                    if error.code() != Code.UNAVAILABLE or self.stop.is_set():
                        raise
        self.set_of[last.report.generation] = number

    def run(self):
        for number in itertools.cycle([1, 0]):
            started = time.monotonic()
            try:
                self.publish(number)
            except grpc.RpcError as error:
                self.error = error
                return
            if self.stop.wait(max(0.0, self.every - (time.monotonic() - started))):
                return


def retry_delay(error):
    """Seconds after which to try again, as the server says; none when it does not."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb.Status.FromString(value).details:
                retry = status_pb.RetryInfo()
                if detail.Unpack(retry):
                    return retry.retry_delay.ToTimedelta().total_seconds()
    return None


class Answer(collections.namedtuple("Answer", "photo began seconds generation names")):
    pass


class Clients:
    """Threads that ask for one photo after another, each over a connection of its own."""

    def __init__(self, count, address, photos):
        self.address, self.photos = address, [str(photo) for photo in photos]
        self.answers, self.refused, self.errors, self.lost = [], 0, [], []
        self.stop, self.stopped_at = threading.Event(), None
        self.threads = [threading.Thread(target=self.ask, args=(number,)) for number in range(count)]

    def ask(self, number):
        order = random.Random(number)
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        with grpc.insecure_channel(self.address, options=options) as channel:
            call = self.recognize(channel)
            while not self.stop.is_set():
                photo = order.choice(self.photos)
                began = time.monotonic()
                try:
                    generation, names = call(photo)
                    self.answers.append(Answer(photo, began, time.monotonic() - began, generation, names))
                except grpc.RpcError as error:
                    if not self.failed(error, began):
                        return
                    self.stop.wait(order.uniform(1.0, 1.2) * retry_delay(error))
                except Exception as error:
                    self.errors.append(repr(error))
                    raise

    def failed(self, error, began):
        """Whether to go on asking."""
        if error.code() == Code.UNAVAILABLE and retry_delay(error) is not None:
            self.refused += 1
            return self.stopped_at is None
        text = f"{error.code().name}: {error.details()}"
        if self.stopped_at is None:
            self.errors.append(text)
        elif began < self.stopped_at:
            self.lost.append(text)
        elif error.code() != Code.UNAVAILABLE:
            self.errors.append(text)
        return False

    @staticmethod
    def recognize(channel):
        stub = v1_grpc.RecognizerStub(channel)

        def call(photo):
            answer = stub.Recognize(v1_pb.RecognizeRequest(photo=v1_pb.Photo(path=photo)), timeout=CALL_SECONDS)
            names = [face.matches[0].image_name if face.matches else None for face in answer.faces]
            return answer.generation, names

        return call


def start_server(recognizer, folder, known, threads):
    log = open(folder / "server.log", "w")
    arguments = ["--threads", str(threads), "serve", "--addr", "127.0.0.1:0", "--known", str(known)]
    arguments += ["--index", str(folder / "index"), "--metrics-address", "off"]
    server = subprocess.Popen([recognizer, *arguments], stdout=log, stderr=log)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        said = (folder / "server.log").read_text()
        demand(server.poll() is None, f"the server ended: {said}")
        if listening := re.search(r"listening on (\S+:\d+)", said):
            return server, listening[1]
        time.sleep(0.1)
    server.kill()
    raise SystemExit(f"load: the server does not say where it listens: {said}")


def wait_until_ready(address, photo):
    deadline = time.monotonic() + START_SECONDS
    with grpc.insecure_channel(address) as channel:
        while True:
            try:
                Clients.recognize(channel)(str(photo))
                return
            except grpc.RpcError as error:
                demand(time.monotonic() < deadline, f"the server is not ready: {error.details()}")
            time.sleep(0.2)


def resident_mib(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def watch_memory(pid, began, seconds):
    """Resident memory after the warm-up and at the end, each the median of a few seconds."""
    samples = []
    while (now := time.monotonic() - began) < seconds:
        samples.append((now, resident_mib(pid)))
        time.sleep(0.5)
    warm = min(WARM_UP_SECONDS, seconds / 3)
    first = [size for at, size in samples if warm <= at < warm + 3]
    last = [size for at, size in samples if at >= seconds - 3]
    return statistics.median(first), statistics.median(last)


def count_wrong(answers, expected, set_of):
    wrong = []
    for answer in answers:
        one = set_of.get(answer.generation)
        right = one is not None and answer.names == expected[one].faces[answer.photo]
        if not right:
            wrong.append(answer)
    return wrong


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recognizer", required=True)
    parser.add_argument("--shared", type=Path, required=True, help="folder of photos, FACERECOG_SHARED")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--publish-every", type=float, default=2)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="width of the server's pool")
    parser.add_argument("--queue", type=int, help="length of the server's queue [default: 4 × threads]")
    options = parser.parse_args()
    queue = 4 * options.threads if options.queue is None else options.queue

    with tempfile.TemporaryDirectory(prefix="facerecog-load-") as name:
        folder = Path(name)
        sets = known_folders(options.shared, folder)
        photos = photos_of(options.shared)
        demand(photos, f"no photos in {options.shared}")
        expected = []
        for number, known in enumerate(sets):
            alone = folder / f"alone-{number}"
            run(options.recognizer, "reindex", "--index", alone, known)
            expected.append(Expected(options.recognizer, alone, photos))
        photos = [photo for photo in photos if str(photo) in expected[0].faces]

        known = folder / "known"
        put_in_place(sets[0], known)
        server, address = start_server(options.recognizer, folder, known, options.threads)
        publisher = Publisher(address, known, sets, options.publish_every)
        try:
            wait_until_ready(address, photos[0])
            publisher.publish(0)
            clients = Clients(options.clients, address, photos)
            began = time.monotonic()
            for thread in [*clients.threads, publisher]:
                thread.start()
            memory = watch_memory(server.pid, began, options.seconds)
            seconds = time.monotonic() - began
            publisher.stop.set()
            publisher.join()
            under_load = list(clients.answers)
            clients.stopped_at = time.monotonic()
            server.send_signal(signal.SIGTERM)
            status = server.wait(timeout=CALL_SECONDS)
            drain_seconds = time.monotonic() - clients.stopped_at
        finally:
            server.kill()
        clients.stop.set()
        publisher.stop.set()
        for thread in [*clients.threads, publisher]:
            thread.join()
        wrong = count_wrong(clients.answers, expected, publisher.set_of)
        log = (folder / "server.log").read_text()

    drained = sum(answer.began + answer.seconds > clients.stopped_at for answer in clients.answers)
    latencies = [answer.seconds for answer in under_load]
    demand(latencies, f"no answers; errors: {clients.errors}")
    service = options.threads * seconds / len(latencies)
    bound = 1.5 * (queue / options.threads + 1) * service
    p99 = percentile(latencies, 0.99)
    checks = {
        "answers right": not wrong,
        "no errors": not clients.errors,
        "published all the time": publisher.error is None,
        "p99 within bound": p99 <= bound,
        "memory flat": abs(memory[1] - memory[0]) <= MEMORY_TOLERANCE * memory[0],
        "nothing lost by SIGTERM": not clients.lost and status == 0,
    }
    report = {
        "work": f"load, {options.clients} clients",
        "seconds": round(seconds, 1),
        "threads": options.threads,
        "queue": queue,
        "answers": len(latencies),
        "wrong": len(wrong),
        "refused": clients.refused,
        "errors": len(clients.errors),
        "published": len(publisher.set_of),
        "generations_seen": len({answer.generation for answer in under_load}),
        "service_ms": round(service * 1e3, 1),
        "p50_ms": round(percentile(latencies, 0.5) * 1e3, 1),
        "p99_ms": round(p99 * 1e3, 1),
        "p99_bound_ms": round(bound * 1e3, 1),
        "memory_first_mib": round(memory[0], 1),
        "memory_last_mib": round(memory[1], 1),
        "drained": drained,
        "lost": len(clients.lost),
        "drain_seconds": round(drain_seconds, 2),
        "exit_status": status,
        "failed": [check for check, passed in checks.items() if not passed],
    }
    print(json.dumps(report))
    problems = [publisher.error] if publisher.error else []
    for problem in [*problems, *wrong[:5], *clients.errors[:5], *clients.lost[:5]]:
        print(f"load: {problem}", file=sys.stderr)
    if report["failed"]:
        print(f"load: the server's log ends: {log[-2000:]}", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
