"""What the scripts that ask the v1 API share: stubs made from its proto, and rows that pass or fail."""

import importlib
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import grpc
from google.protobuf import any_pb2
from grpc_tools import protoc

REPOSITORY = Path(__file__).resolve().parents[2]
PROTOS = REPOSITORY / "recognizer-server" / "proto"

# Far more than any call takes, so that a call that hangs fails instead.
CALL_SECONDS = 60

Code = grpc.StatusCode


def generate_stubs():
    """Modules of the messages and of the stubs of v1, and the message google.rpc.Status by parts."""
    out = Path(tempfile.mkdtemp(prefix="facerecog-stubs-"))
    # The parts of google.rpc that the server uses, as googleapis has them.
    (out / "google_rpc.proto").write_text(
        """
        syntax = "proto3";
        package google.rpc;
        import "google/protobuf/any.proto";
        import "google/protobuf/duration.proto";
        message Status { int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3; }
        message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
        message RetryInfo { google.protobuf.Duration retry_delay = 1; }
        """
    )
    protos = [PROTOS / "facerecog" / "v1" / "recognizer.proto", PROTOS / "facerecog.proto", out / "google_rpc.proto"]
    include = files("grpc_tools") / "_proto"
    arguments = [f"-I{PROTOS}", f"-I{out}", f"-I{include}", f"--python_out={out}", f"--grpc_python_out={out}"]
    for proto in protos:
        if protoc.main(["protoc", *arguments, str(proto)]) != 0:
            raise SystemExit(f"protoc could not compile {proto}")
    sys.path.insert(0, str(out))
    names = ("facerecog.v1.recognizer_pb2", "facerecog.v1.recognizer_pb2_grpc", "google_rpc_pb2")
    modules = [importlib.import_module(name) for name in names]
    original = importlib.import_module("facerecog_pb2"), importlib.import_module("facerecog_pb2_grpc")
    shutil.rmtree(out)
    return *modules, *original


messages, stubs, rpc, original_messages, original_stubs = generate_stubs()


class Failure(Exception):
    """What a row found wrong."""


def check(condition, why):
    if not condition:
        raise Failure(why)


@dataclass
class Refusal:
    """A status and its details."""

    code: grpc.StatusCode
    message: str = ""
    reason: str = ""
    domain: str = ""
    retry_seconds: float | None = None

    def __str__(self):
        return f"{self.code.name} {self.reason} {self.message!r}"


def refusal(error):
    """What a grpc.RpcError carries."""
    found = Refusal(error.code(), error.details() or "")
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in rpc.Status.FromString(value).details:
                read_detail(detail, found)
    return found


def read_detail(detail: any_pb2.Any, found: Refusal):
    info, retry = rpc.ErrorInfo(), rpc.RetryInfo()
    if detail.Unpack(info):
        found.reason, found.domain = info.reason, info.domain
    elif detail.Unpack(retry):
        found.retry_seconds = retry.retry_delay.ToTimedelta().total_seconds()


class Client:
    """One connection to the server."""

    def __init__(self, address):
        # No limits of its own, so that it is the server's that are met, and a connection of its own.
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        self.channel = grpc.insecure_channel(address, options)
        self.stub = stubs.RecognizerStub(self.channel)
        self.original = original_stubs.IdentifyStub(self.channel)

    def ask(self, method, request, **options):
        """The response, or the refusal."""
        try:
            return getattr(self.stub, method)(request, timeout=CALL_SECONDS, **options)
        except grpc.RpcError as error:
            return refusal(error)

    def recognize(self, photo, **options):
        request = messages.RecognizeRequest(photo=photo, options=messages.RecognizeOptions(**options))
        return self.ask("Recognize", request)

    def info(self):
        return self.ask("GetInfo", messages.GetInfoRequest())


def at(path):
    """A photo by its path."""
    return messages.Photo(path=str(path))


def content(path):
    """A photo by its content."""
    return messages.Photo(content=Path(path).read_bytes())


@dataclass
class Row:
    """A question; `run` raises Failure when the answer is wrong."""

    name: str
    run: Callable


def run_rows(rows, setting):
    """Prints `ok NAME` or `FAIL NAME: why` a row, then `N passed, N failed`; ends the process."""
    failed = 0
    for row in rows:
        try:
            row.run(setting)
            print(f"ok   {row.name}", flush=True)
        except (Failure, OSError, grpc.RpcError) as error:
            failed += 1
            print(f"FAIL {row.name}: {error}", flush=True)
    print(f"{len(rows) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
