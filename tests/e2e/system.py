"""The whole system on the real things, each a process of its own: MariaDB, nsqlookupd, nsqd, recognizer, services."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

REPOSITORY = Path(__file__).resolve().parents[2]
PEERS = REPOSITORY / "tests" / "peers"
START_SECONDS = 60
# Short, so that a run need not wait long for what a killed process had claimed.
LEASE_SECONDS = 6
STUCK_SECONDS = 6


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(url, timeout=5):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read().decode()


def wait_for(what, condition, seconds=START_SECONDS):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {seconds} s")
        time.sleep(0.1)


def answers(url):
    try:
        get(url)
        return True
    except OSError:
        return False


class Process:
    """A process that can be killed and started again with the same command."""

    def __init__(self, name, folder, command, ready=None, environment=None):
        self.name, self.command, self.ready = name, [str(part) for part in command], ready
        self.log = folder / f"{name}.log"
        self.environment = dict(os.environ, **(environment or {}))
        self.process = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.environment)
        self.wait()

    def wait(self):
        def ready():
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended: {self.log.read_text(errors='replace')[-2000:]}")
            return self.ready is None or answers(self.ready)

        wait_for(self.name, ready)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """SIGTERM; whether it ended in good order."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout=40) == 0
        except subprocess.TimeoutExpired:
            self.kill()
            return False


class MariaDb:
    """As a `Process`, by way of tests/peers/mariadb.sh."""

    name = "mariadb"

    def __init__(self, folder):
        self.folder = folder / "mariadb"
        self.url = None
        self.start()

    def script(self, command):
        done = subprocess.run(["sh", PEERS / "mariadb.sh", command, self.folder], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise SystemExit(f"mariadb.sh {command} failed")
        return done.stdout.strip()

    def start(self):
        self.url = urlsplit(self.script("start").splitlines()[-1])

    def kill(self):
        self.script("kill")

    def stop(self):
        self.script("stop")
        return True

    def rows(self, statement):
        url = self.url
        command = ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--raw", f"--host={url.hostname}",
                   f"--port={url.port}", f"--user={url.username}", f"--password={url.password}",
                   "--default-character-set=utf8mb4", f"--execute={statement}", url.path.strip("/")]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return [line.split("\t") for line in done.stdout.splitlines()]


class System:
    """Everything but the processors, which a run starts as many of as it wants."""

    def __init__(self, folder, pipeline, recognizer, photos):
        self.folder, self.pipeline, self.photos = folder, pipeline, photos
        self.processes, self.processors = {}, []
        self.database = MariaDb(folder)
        self.processes["mariadb"] = self.database
        self.fill_database()
        nsq = folder / "nsq"
        # nsqlookupd first: nsqd registers with it.
        for daemon in ("nsqlookupd", "nsqd"):
            self.add(Process(daemon, folder, ["sh", PEERS / "nsq.sh", daemon, nsq]))
            address = nsq / f"{daemon}.http"
            wait_for(daemon, lambda: address.exists() and answers(f"http://{address.read_text().strip()}/ping"), 300)
            self.processes[daemon].ready = f"http://{address.read_text().strip()}/ping"
        self.nsqd_tcp = (nsq / "nsqd.tcp").read_text().strip()
        self.nsqd_http = (nsq / "nsqd.http").read_text().strip()
        self.lookup_http = (nsq / "nsqlookupd.http").read_text().strip()
        self.grpc, metrics = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.recognizer = recognizer
        self.add(Process("recognizer", folder, [
            recognizer, "serve", "--address", self.grpc, "--metrics-address", metrics,
            "--known", photos.known, "--index", folder / "index",
        ], f"http://{metrics}/readyz"))
        port, metrics = free_port(), f"127.0.0.1:{free_port()}"
        self.receiver = f"http://127.0.0.1:{port}"
        self.add(self.service("receiver", ["--address", f"127.0.0.1:{port}", "--producer-address", self.nsqd_tcp],
                              metrics))
        frontend = free_port()
        self.frontend = f"http://127.0.0.1:{frontend}"
        self.add(self.service("frontend", [], None, {"FRONTEND_HOST": "127.0.0.1", "FRONTEND_PORT": str(frontend)},
                              f"{self.frontend}/"))

    def add(self, process):
        self.processes[process.name] = process

    def service(self, service, arguments, metrics, environment=None, ready=None, name=None):
        url = self.database.url
        environment = {
            "MYSQL_CONNECTION": url.hostname, "MYSQL_PORT": str(url.port), "MYSQL_DBNAME": url.path.strip("/"),
            "MYSQL_USERPASSWORD": f"{url.username}:{url.password}", "NSQ_LOOKUP_ADDRESS": self.lookup_http,
            "GRPC_ADDRESS": self.grpc, "RUST_LOG": "info,facerecog_pipeline=debug", "PIPELINE_LOG_FORMAT": "json",
            **(environment or {}),
        }
        if metrics:
            environment["PIPELINE_METRICS_ADDRESS"] = metrics
            ready = f"http://{metrics}/readyz"
        process = Process(name or service, self.folder, [self.pipeline, service, *arguments], ready, environment)
        process.metrics = metrics
        return process

    def add_processor(self):
        name = f"processor-{len(self.processors) + 1}"
        arguments = ["--concurrency", "4", "--lease-seconds", LEASE_SECONDS, "--breaker-first-wait-seconds", "1",
                     "--breaker-longest-wait-seconds", "4"]
        processor = self.service("processor", arguments, f"127.0.0.1:{free_port()}", name=name)
        self.processors.append(processor)
        self.add(processor)

    def redeem(self, *arguments):
        """One run of the redeemer, as a CronJob has it."""
        process = self.service("redeemer", ["--once", "--producer-address", self.nsqd_tcp, *arguments], None)
        if process.process.wait(timeout=60) != 0:
            raise SystemExit(f"redeemer: {process.log.read_text(errors='replace')[-2000:]}")

    def fill_database(self):
        """The original's tables and some of its people, as its bootstrap has them."""
        statements = [
            "create table images (id int not null auto_increment primary key, path varchar(255) not null, "
            "person int, status int)",
            "create table person (id int not null auto_increment primary key, name varchar(255) not null)",
            "create table person_images (id int not null auto_increment primary key, image_name varchar(255), "
            "person_id int)",
        ]
        for name in sorted(set(self.photos.in_database.values())):
            statements.append(f"insert into person (name) values ('{name}')")
        for image_name, name in self.photos.in_database.items():
            statements.append("insert into person_images (image_name, person_id) "
                              f"select '{image_name}', id from person where name = '{name}'")
        self.database.rows("; ".join(statements))

    def post(self, paths):
        """Posts one path, or several as a batch; the answer's lines."""
        if len(paths) == 1:
            url, body = f"{self.receiver}/image/post", {"path": paths[0]}
        else:
            url, body = f"{self.receiver}/images/post", {"paths": [{"path": path} for path in paths]}
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode().splitlines()

    def settled(self):
        return int(self.database.rows("select count(*) from images where status in (1, 2)")[0][0])

    def metrics(self, process):
        """Numbers by name with labels."""
        numbers = {}
        for line in get(f"http://{process.metrics}/metrics").splitlines():
            if found := re.fullmatch(r"(\S+(?:\{.*\})?) (\S+)", line):
                numbers[found[1]] = float(found[2])
        return numbers

    def wrong(self):
        """Photos whose row is not as it is to be, with what it is."""
        found = {path: (status, person) for path, status, person in self.database.rows(
            "select images.path, images.status, coalesce(person.name, '') from images "
            "left join person on person.id = images.person")}
        wrong = []
        for path, person in self.photos.person_of.items():
            expected = ("1", person) if person else ("2", "")
            if found.get(path) != expected:
                wrong.append(f"{path}: {found.get(path)} and not {expected}")
        return wrong

    def twice(self):
        """Photos that are in the table twice, or were PROCESSED twice."""
        rows = self.database.rows("select path from images group by path having count(*) > 1")
        settled = re.compile(r'"message":"settled".*?"id":"?(\d+)|"id":"?(\d+).*?"message":"settled"')
        seen, again = set(), set()
        for processor in self.processors:
            for line in processor.log.read_text(errors="replace").splitlines():
                if "Processed" in line and (found := settled.search(line)):
                    number = found[1] or found[2]
                    (again if number in seen else seen).add(number)
        if not seen:
            raise SystemExit("the processors' logs tell of no settled photo")
        return len(rows) + len(again)

    def recognizer_rate(self, clients=4):
        """Photos a second that the recognizer answers by itself."""
        paths = self.photos.paths
        started = time.monotonic()
        running = [subprocess.Popen([self.recognizer, "call", "recognize", "--json", *paths[number::clients]],
                                    env=dict(os.environ, FACERECOG_ADDRESS=self.grpc),
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                   for number in range(clients)]
        for process in running:
            process.wait()
        return len(paths) / (time.monotonic() - started)

    def stop(self):
        """Stops everything, last started first; the names of those that did not end in good order."""
        return [name for name, process in reversed(self.processes.items()) if not process.stop()]
