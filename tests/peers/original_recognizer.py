"""A server of the original recognizer's contract, and of nothing else, as Python's grpcio serves it.

    python original_recognizer.py TABLE [ADDRESS]

TABLE is a JSON object of image names by path. Identify answers what it has, and fails for every other path as the
original does for one that is missing: an exception in the handler. HealthCheck answers that it is ready. Any other
method is UNIMPLEMENTED. Prints `listening on HOST:PORT`; ADDRESS is 127.0.0.1:0 when it is left out.
"""

import concurrent.futures
import errno
import importlib
import json
import os
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import grpc
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parents[2] / "recognizer-server" / "proto" / "facerecog.proto"


def generate_stubs():
    """facerecog_pb2 and facerecog_pb2_grpc, as modules."""
    with tempfile.TemporaryDirectory() as out:
        include = files("grpc_tools") / "_proto"
        arguments = [f"-I{PROTO.parent}", f"-I{include}", f"--python_out={out}", f"--grpc_python_out={out}"]
        if protoc.main(["protoc", *arguments, str(PROTO)]) != 0:
            raise SystemExit(f"protoc could not compile {PROTO}")
        sys.path.insert(0, out)
        return importlib.import_module("facerecog_pb2"), importlib.import_module("facerecog_pb2_grpc")


messages, stubs = generate_stubs()


class Identify(stubs.IdentifyServicer):
    def __init__(self, names):
        self.names = names

    def Identify(self, request, context):
        if request.image_path not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), request.image_path)
        return messages.IdentifyResponse(image_name=self.names[request.image_path])


class HealthCheck(stubs.HealthCheckServicer):
    def HealthCheck(self, request, context):
        return messages.HealthCheckResponse(ready=True)


table, address = sys.argv[1], (sys.argv[2:] + ["127.0.0.1:0"])[0]
server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4))
stubs.add_IdentifyServicer_to_server(Identify(json.loads(Path(table).read_text())), server)
stubs.add_HealthCheckServicer_to_server(HealthCheck(), server)
host, _, _ = address.rpartition(":")
print(f"listening on {host}:{server.add_insecure_port(address)}", flush=True)
server.start()
server.wait_for_termination()
