"""The original gRPC contract as Python modules, made of its proto."""

import importlib
import pathlib
import sys
import tempfile

from grpc_tools import protoc

PROTOS = pathlib.Path(__file__).resolve().parents[3] / "recognizer-server/proto"

with tempfile.TemporaryDirectory() as folder:
    arguments = [f"-I{PROTOS}", f"--python_out={folder}", f"--grpc_python_out={folder}", "facerecog.proto"]
    if protoc.main(["protoc", *arguments]) != 0:
        raise SystemExit("protoc could not compile facerecog.proto")
    sys.path.insert(0, folder)
    messages, services = map(importlib.import_module, ("facerecog_pb2", "facerecog_pb2_grpc"))
    sys.path.remove(folder)
