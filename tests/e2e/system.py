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
STUCK_SECONDS = 10


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
        self.receiver = self.add_http_service("receiver")
        self.frontend = self.add_http_service("frontend")

    def add(self, process):
        self.processes[process.name] = process

    def add_http_service(self, service):
        port = free_port()
        address = ["--producer-address", self.nsqd_tcp, f"--{service}-host", "127.0.0.1", f"--{service}-port", port]
        self.add(self.service(service, address, f"127.0.0.1:{port}"))
        return f"http://127.0.0.1:{port}"

    def service(self, service, arguments, address, name=None):
        url = self.database.url
        environment = {
            "MYSQL_CONNECTION": url.hostname, "MYSQL_PORT": str(url.port), "MYSQL_DBNAME": url.path.strip("/"),
            "MYSQL_USERPASSWORD": f"{url.username}:{url.password}", "NSQ_LOOKUP_ADDRESS": self.lookup_http,
            "GRPC_ADDRESS": self.grpc, "LOG_LEVEL": "debug", "LOG_FORMAT": "json",
        }
        ready = address and f"http://{address}/readyz"
        process = Process(name or service, self.folder, [self.pipeline, service, *arguments], ready, environment)
        process.address = address
        return process

    def add_processor(self):
        name = f"processor-{len(self.processors) + 1}"
        arguments = ["--concurrency", "4", "--lease-seconds", LEASE_SECONDS, "--breaker-first-wait-seconds", "1",
                     "--breaker-longest-wait-seconds", "4"]
        address = f"127.0.0.1:{free_port()}"
        processor = self.service("processor", [*arguments, "--metrics-address", address], address, name)
        self.processors.append(processor)
        self.add(processor)

    def add_redeemer(self):
        """Gives photos that hang another try, soon, but not those that FAILED."""
        address = f"127.0.0.1:{free_port()}"
        self.add(self.service("redeemer", [
            "--producer-address", self.nsqd_tcp, "--pause-seconds", "2", "--stuck-after-seconds", STUCK_SECONDS,
            "--first-delay-seconds", "3600", "--metrics-address", address,
        ], address))

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

    def settled_once_waits_are_over(self):
        """As `settled`; a photo that was under way in two processors that were killed waits an hour by itself."""
        self.database.rows("update image_work set not_before = null where not_before is not null")
        return self.settled()

    def metrics(self, process):
        """Numbers by name with labels."""
        numbers = {}
        for line in get(f"http://{process.address}/metrics").splitlines():
            if found := re.fullmatch(r"([^#\s]\S*(?:\{.*\})?) (\S+)", line):
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
        seen, again = set(), set()
        for processor in self.processors:
            for line in processor.log.read_text(errors="replace").splitlines():
                # A process that was killed may leave half a line.
                if '"settled"' in line and '"Processed"' in line and (found := re.search(r'"id":"(\d+)"', line)):
                    (again if found[1] in seen else seen).add(found[1])
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
