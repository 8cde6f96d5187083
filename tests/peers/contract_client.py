"""Asks a running server every question of the original recognizer's contract.

    python contract_client.py ADDRESS FIXTURE_DIR

ADDRESS is host:port of `recognizer serve` started with KNOWN_PEOPLE=FIXTURE_DIR/known, the folder
that contract_fixture.py built; server and client see the same files under the same paths. The stubs
are generated from recognizer-server/proto/facerecog.proto by protoc, as callers of the original do.

Prints `ok NAME` or `FAIL NAME: why` a row, then `N passed, N failed`; exit status 1 when one failed.
It puts a photo into the known folder, takes photos out, and leaves the folder as it was.
"""

import concurrent.futures
import importlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_tools import protoc

REPOSITORY = Path(__file__).resolve().parents[2]
PROTO = REPOSITORY / "recognizer-server" / "proto" / "facerecog.proto"

START_SECONDS = 120
CALL_SECONDS = 20
# The contract: a photo put into the folder, or taken out of it, counts this soon.
CHANGE_SECONDS = 5
IDENTIFY = "/facerecog.Identify/Identify"
NOT_FOUND = "not_found"
REASON = "facerecog-reason"

Code = grpc.StatusCode


def generate_stubs():
    """facerecog_pb2 and facerecog_pb2_grpc, as modules."""
    out = tempfile.mkdtemp(prefix="facerecog-stubs-")
    include = files("grpc_tools") / "_proto"
    arguments = [f"-I{PROTO.parent}", f"-I{include}", f"--python_out={out}", f"--grpc_python_out={out}"]
    if protoc.main(["protoc", *arguments, str(PROTO)]) != 0:
        raise SystemExit(f"protoc could not compile {PROTO}")
    sys.path.insert(0, out)
    modules = importlib.import_module("facerecog_pb2"), importlib.import_module("facerecog_pb2_grpc")
    shutil.rmtree(out)
    return modules


messages, stubs = generate_stubs()


class Failure(Exception):
    """What a row found wrong."""


def check(condition, why):
    if not condition:
        raise Failure(why)


@dataclass
class Answer:
    """What came back of one call, be it a message or a status."""

    code: grpc.StatusCode
    name: str = ""
    details: str = ""
    reason: str = ""

    def __str__(self):
        return f"{self.code.name} {self.name or self.details!r}"


class Client:
    """One channel to the server."""

    def __init__(self, address):
        # No limit of its own, so that it is the server's that is met.
        options = [("grpc.max_send_message_length", -1)]
        self.channel = grpc.insecure_channel(address, options)
        self.stub = stubs.IdentifyStub(self.channel)
        self.health_check = stubs.HealthCheckStub(self.channel)
        self.raw = self.channel.unary_unary(
            IDENTIFY, lambda data: data, messages.IdentifyResponse.FromString
        )

    def identify(self, path, **options):
        return self.call(self.stub.Identify, messages.IdentifyRequest(image_path=str(path)), **options)

    def identify_raw(self, data):
        """The request as bytes, whatever they mean."""
        return self.call(self.raw, data)

    def call(self, method, request, **options):
        try:
            response, call = method.with_call(request, timeout=CALL_SECONDS, **options)
        except grpc.RpcError as error:
            return Answer(error.code(), details=error.details() or "")
        trailers = dict(call.trailing_metadata() or ())
        return Answer(Code.OK, response.image_name, reason=trailers.get(REASON, ""))

    def identify_patiently(self, path):
        """As a well-behaved caller: a full server is asked again."""
        for _ in range(100):
            answer = self.identify(path)
            if answer.code != Code.UNAVAILABLE:
                break
            time.sleep(0.1)
        return answer

    def ready(self):
        return self.health_check.HealthCheck(messages.Empty(), timeout=CALL_SECONDS).ready


@dataclass
class Setting:
    """What a row works with."""

    address: str
    fixture: Path
    client: Client

    @property
    def known(self):
        return self.fixture / "known"

    def probe(self, name):
        return self.fixture / "probes" / name


@dataclass
class Row:
    """A question of the contract; `run` raises Failure when the answer is wrong."""

    name: str
    run: Callable[[Setting], None]


def answers(probe, image_name):
    """The photo is answered with this name."""

    def run(setting):
        answer = setting.client.identify(setting.probe(probe))
        check(answer.code == Code.OK, f"{probe}: {answer}")
        check(answer.name == image_name, f"{probe}: {answer.name!r}, not {image_name!r}")

    return run


def faceless(probe):
    """not_found, and the trailer says why."""

    def run(setting):
        answer = setting.client.identify(setting.probe(probe))
        check((answer.code, answer.name) == (Code.OK, NOT_FOUND), f"{probe}: {answer}")
        check(answer.reason, f"{probe}: no trailer {REASON}")

    return run


def refuses(path, code, names=None, reason=""):
    """The path, below probes/ unless it is a whole one, is refused: with `code` and a message that
    names it (or `names`) and says more than that, `reason` among it."""

    def run(setting):
        whole = path if isinstance(path, str) else str(setting.probe(path.name))
        answer = setting.client.identify(whole)
        check(answer.code == code, f"{answer}, not {code.name}")
        wanted = names or whole
        check(wanted in answer.details, f"{answer.details!r} does not name {wanted!r}")
        check(len(answer.details) > len(wanted) + 5, f"{answer.details!r} gives no reason")
        check(reason in answer.details.lower(), f"{answer.details!r} does not speak of {reason!r}")

    return run


def all_of(*runs):
    def run(setting):
        for part in runs:
            part(setting)

    return run


def raw(data, code, image_name=""):
    """The request's bytes, of a setting, get this answer."""

    def run(setting):
        answer = setting.client.identify_raw(data(setting) if callable(data) else data)
        check(answer.code == code, f"{answer}, not {code.name}")
        check(answer.name == image_name, f"{answer.name!r}, not {image_name!r}")

    return run


def field(number, value):
    """A length-delimited protobuf field with a number below 16."""
    length = b""
    rest = len(value)
    while rest >= 0x80:
        length += bytes([rest & 0x7F | 0x80])
        rest >>= 7
    return bytes([number << 3 | 2]) + length + bytes([rest]) + value


def face_path(setting):
    return str(setting.probe("face.jpg")).encode()


def unknown_fields(setting):
    return field(9, b"what is this?") + field(1, face_path(setting)) + b"\x78\x05"


def field_twice(setting):
    return field(1, b"/nowhere.jpg") + field(1, face_path(setting))


def bad_known_photos_harm_nobody(setting):
    for name in ("broken.jpg", "zero_bytes.jpg", "faceless.jpg", "folder.jpg", "fifo.png"):
        check((setting.known / name).exists(), f"the fixture has no {name}")
    answers("face.jpg", "H.JPG")(setting)
    answers("hannibal_2_again.jpg", "hannibal_2.jpg")(setting)


def too_long_a_message(setting):
    answer = setting.client.identify("x" * (5 << 20))
    check(answer.code == Code.RESOURCE_EXHAUSTED, f"{answer}")


def gzip_request(setting):
    answer = setting.client.identify(setting.probe("face.jpg"), compression=grpc.Compression.Gzip)
    check((answer.code, answer.name) == (Code.OK, "H.JPG"), f"{answer}")


def fifos_block_nobody(setting):
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        calls = [pool.submit(setting.client.identify, setting.probe("fifo.jpg")) for _ in range(12)]
        check(setting.client.ready(), "HealthCheck is not ready")
        for call in calls:
            code = call.result().code
            check(code in (Code.INVALID_ARGUMENT, Code.UNAVAILABLE), f"{code.name}")
    answers("face.jpg", "H.JPG")(setting)


def unimplemented(method):
    def run(setting):
        call = setting.client.channel.unary_unary(method, lambda data: data, lambda data: data)
        try:
            call(b"", timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            check(error.code() == Code.UNIMPLEMENTED, f"{error.code().name}")
        else:
            raise Failure("it was answered")

    return run


def health_check_is_ready(setting):
    check(setting.client.ready(), "ready is false")


def standard_health(setting):
    health = health_pb2_grpc.HealthStub(setting.client.channel)

    def status(service):
        return health.Check(health_pb2.HealthCheckRequest(service=service), timeout=CALL_SECONDS).status

    for service in ("", "facerecog.Identify", "facerecog.HealthCheck"):
        check(status(service) == health_pb2.HealthCheckResponse.SERVING, f"{service!r} is not SERVING")
    try:
        status("facerecog.Nothing")
    except grpc.RpcError as error:
        check(error.code() == Code.NOT_FOUND, f"an unknown service: {error.code().name}")
    else:
        raise Failure("an unknown service has a status")


def reflection(setting):
    database = ProtoReflectionDescriptorDatabase(setting.client.channel)
    services = set(database.get_services())
    wanted = {"facerecog.Identify", "facerecog.HealthCheck", "grpc.health.v1.Health"}
    check(wanted <= services, f"{sorted(wanted - services)} missing from {sorted(services)}")
    file = database.FindFileContainingSymbol("facerecog.IdentifyRequest")
    check(file.package == "facerecog", f"IdentifyRequest is in {file.package!r}")


def concurrent_clients(setting):
    expected = {
        "face.jpg": "H.JPG",
        "rose_probe.jpg": "h.Png",
        "biden_probe.jpg": "hannibal.jpg.bak",
        "kit_probe.jpeg": ".jpg",
        "madonna_probe.jpg": "portrait.jpg",
        "hannibal_2_again.jpg": "hannibal_2.jpg",
        "nobody.png": NOT_FOUND,
        "cup.png": NOT_FOUND,
    }
    probes = list(expected)

    def ask(number):
        client = Client(setting.address)
        with client.channel:
            for step in range(2 * len(probes)):
                probe = probes[(number + step) % len(probes)]
                answer = client.identify_patiently(setting.probe(probe))
                if (answer.code, answer.name) != (Code.OK, expected[probe]):
                    return f"client {number}, {probe}: {answer}, not {expected[probe]!r}"
        return None

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        wrong = [found for found in pool.map(ask, range(8)) if found]
    check(not wrong, "; ".join(wrong))


def becomes(setting, probe, image_name):
    """Within the contract's time the photo is answered with this name; until then with anything."""
    end = time.monotonic() + CHANGE_SECONDS
    while True:
        asked = time.monotonic()
        answer = setting.client.identify_patiently(setting.probe(probe))
        if (answer.code, answer.name) == (Code.OK, image_name):
            return
        check(asked < end, f"{probe}: after {CHANGE_SECONDS} s still {answer}, not {image_name!r}")
        time.sleep(0.1)


def photo_added_and_removed(setting):
    known = setting.known / "ben_1.jpg"
    answers("ben_probe.jpg", NOT_FOUND)(setting)
    shutil.copyfile(setting.fixture / "later" / "ben_1.jpg", known)
    try:
        becomes(setting, "ben_probe.jpg", "ben_1.jpg")
    finally:
        known.unlink()
    becomes(setting, "ben_probe.jpg", NOT_FOUND)
    answers("face.jpg", "H.JPG")(setting)


def photo_renamed(setting):
    """The database joins on the name, so that the new one must be given."""
    (setting.known / "elton.gif").rename(setting.known / "sir_elton.gif")
    try:
        becomes(setting, "elton_probe.jpg", "sir_elton.gif")
    finally:
        (setting.known / "sir_elton.gif").rename(setting.known / "elton.gif")
    becomes(setting, "elton_probe.jpg", "elton.gif")


def photo_replaced(setting):
    """Another person's photo under the same name."""
    known, before = setting.known / "H.JPG", setting.fixture / "later" / "H.JPG"
    shutil.copyfile(known, before)
    try:
        shutil.copyfile(setting.fixture / "later" / "ben_1.jpg", known)
        becomes(setting, "ben_probe.jpg", "H.JPG")
        answers("face.jpg", NOT_FOUND)(setting)
    finally:
        shutil.copyfile(before, known)
        before.unlink()
    becomes(setting, "face.jpg", "H.JPG")


def empty_known_folder(setting):
    aside = setting.fixture / "aside"
    aside.mkdir()
    try:
        for entry in list(setting.known.iterdir()):
            entry.rename(aside / entry.name)
        becomes(setting, "face.jpg", NOT_FOUND)
    finally:
        for entry in list(aside.iterdir()):
            entry.rename(setting.known / entry.name)
        aside.rmdir()
    becomes(setting, "face.jpg", "H.JPG")


def refused_probe(name, reason=""):
    return refuses(Path(name), Code.INVALID_ARGUMENT, reason=reason)


def missing(path, **options):
    return refuses(path, Code.NOT_FOUND, **options)


ROWS = [
    Row("health check is ready", health_check_is_ready),
    # What is on the photo.
    Row("known person: the photo's base name", answers("obama_probe.jpg", "H.JPG")),
    Row("known person: the best match, not the first", answers("hannibal_2_again.jpg", "hannibal_2.jpg")),
    Row("unknown person: not_found", answers("nobody.png", NOT_FOUND)),
    Row("empty path: not_found", raw(field(1, b""), Code.OK, NOT_FOUND)),
    Row("empty message: not_found", raw(b"", Code.OK, NOT_FOUND)),
    Row("several faces: the known one counts", answers("unknown_and_known.jpg", "H.JPG")),
    Row("several known faces: the nearest counts", answers("two_known.jpg", "H.JPG")),
    Row("no face: not_found and the reason", all_of(faceless("cup.png"), faceless("cat.png"))),
    # Which files count as known photos.
    Row("known photo h.Png", answers("rose_probe.jpg", "h.Png")),
    Row("known photo hannibal.jpg.bak", answers("biden_probe.jpg", "hannibal.jpg.bak")),
    Row("known photo .jpg", answers("kit_probe.jpeg", ".jpg")),
    Row("known photo in a person's folder", answers("madonna_probe.jpg", "portrait.jpg")),
    Row("known photo in GIF", answers("elton_probe.jpg", "elton.gif")),
    Row("jerry.jpe is no known photo", answers("jerry_probe.jpg", NOT_FOUND)),
    Row("known name that is no UTF-8: left out", answers("mindy_probe.jpg", NOT_FOUND)),
    Row("bad known photos harm nobody", bad_known_photos_harm_nobody),
    # Paths that lead to no photo.
    Row("missing file", missing(Path("missing.jpg"))),
    Row("missing folder", missing("/nowhere/at/all.jpg")),
    Row("dangling link", missing(Path("dangling.jpg"))),
    Row("link to a photo", answers("link.jpg", "H.JPG")),
    Row("URL", all_of(missing("https://example.com/a.jpg"), missing("file:///etc/hostname"))),
    Row("~ is a name like any other", missing("~/face.jpg")),
    Row("name of 300 characters", missing("/tmp/" + "a" * 300 + ".jpg")),
    Row("path of 8,000 characters", missing("/tmp/" + "ab/" * 2665, names="/tmp/ab/ab/ab/")),
    Row("directory", refused_probe("folder.jpg")),
    Row("NUL in the path", refuses("/tmp/a\0b.jpg", Code.INVALID_ARGUMENT, names="/tmp/a", reason="nul")),
    Row("/dev/zero", refuses("/dev/zero", Code.INVALID_ARGUMENT)),
    Row("FIFO", refused_probe("fifo.jpg")),
    Row("twelve FIFOs block nobody", fifos_block_nobody),
    # Files that are no photos.
    Row("not an image", all_of(refused_probe("text.jpg"), refused_probe("random.jpg"))),
    Row("zero bytes", refused_probe("zero_bytes.jpg", reason="empty")),
    Row("400 megapixels", refused_probe("400_megapixels.png", reason="pixel")),
    Row("AVIF", refused_probe("face.avif", reason="format")),
    Row("JPEG 2000", refused_probe("face.jp2", reason="format")),
    # Formats and kinds of photos.
    Row("JPEG", answers("face.jpg", "H.JPG")),
    Row("progressive JPEG", answers("face_progressive.jpg", "H.JPG")),
    Row("JPEG cut at 50 %", answers("truncated_50.jpg", "H.JPG")),
    Row("JPEG cut at 90 %", answers("truncated_90.jpg", "H.JPG")),
    *(
        Row(extension.upper(), answers(f"face.{extension}", "H.JPG"))
        for extension in ("png", "gif", "bmp", "webp", "tiff", "ppm")
    ),
    Row("PNG named .jpg", answers("png_named.jpg", "H.JPG")),
    Row("grey", all_of(answers("grey.jpg", "H.JPG"), answers("grey.png", "H.JPG"))),
    Row("CMYK", answers("cmyk.jpg", "H.JPG")),
    Row("RGBA", answers("rgba.png", "H.JPG")),
    Row("palette", answers("palette.png", "H.JPG")),
    Row("16-bit PNG", all_of(answers("16_bit.png", "H.JPG"), answers("16_bit_grey.png", "H.JPG"))),
    Row("1-bit PNG", answers("1_bit.png", "H.JPG")),
    *(
        Row(f"EXIF orientation {number}", answers(f"exif_{number}.jpg", "H.JPG"))
        for number in range(1, 9)
    ),
    # The wire.
    Row("message above 4 MiB", too_long_a_message),
    Row("malformed protobuf", raw(b"\x0a\xff", Code.INTERNAL)),
    Row("invalid UTF-8", raw(field(1, b"/tmp/\xff\xfe.jpg"), Code.INTERNAL)),
    Row("unknown fields", raw(unknown_fields, Code.OK, "H.JPG")),
    Row("field given twice: the last wins", raw(field_twice, Code.OK, "H.JPG")),
    Row("gzip request", gzip_request),
    Row("unknown method", unimplemented("/facerecog.Identify/Guess")),
    Row("unknown service", unimplemented("/facerecog.Oracle/Ask")),
    Row("grpc.health.v1", standard_health),
    Row("reflection", reflection),
    # What changes, and many at once.
    Row("8 clients at once: every answer right", concurrent_clients),
    Row("known photo added, then removed", photo_added_and_removed),
    Row("known photo renamed", photo_renamed),
    Row("known photo replaced", photo_replaced),
    Row("known folder emptied", empty_known_folder),
    Row("health check is ready after all this", health_check_is_ready),
]


def wait_for_start(client):
    """Until the server answers, and is done learning the known people."""
    grpc.channel_ready_future(client.channel).result(timeout=START_SECONDS)
    health = health_pb2_grpc.HealthStub(client.channel)
    request = health_pb2.HealthCheckRequest(service="facerecog.Identify")
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            if health.Check(request, timeout=CALL_SECONDS).status == health_pb2.HealthCheckResponse.SERVING:
                return
        except grpc.RpcError:
            # Its own row says what is wrong with the health service.
            return
        time.sleep(0.1)


def main():
    if len(sys.argv) != 3:
        raise SystemExit("usage: contract_client.py ADDRESS FIXTURE_DIR")
    address, fixture = sys.argv[1], Path(sys.argv[2]).resolve()
    client = Client(address)
    try:
        wait_for_start(client)
    except grpc.FutureTimeoutError:
        raise SystemExit(f"nobody answers at {address}") from None
    setting = Setting(address, fixture, client)
    failed = 0
    for row in ROWS:
        try:
            row.run(setting)
            print(f"ok   {row.name}", flush=True)
        except (Failure, OSError, grpc.RpcError) as error:
            failed += 1
            print(f"FAIL {row.name}: {error}", flush=True)
    print(f"{len(ROWS) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
