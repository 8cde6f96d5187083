"""An OpenTelemetry collector, and a caller whose trace the server is to go on with.

    python trace_collector.py PHOTO

Prints the address that it collects at. Then reads the address of a server, asks it who is on PHOTO and on one
that is not there, as part of a trace, and says `asked`. When its input ends it prints the spans that have come, one
JSON object a line.
"""

import concurrent.futures
import json
import sys

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALL_SECONDS = 60


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self):
        self.spans = []

    def Export(self, request, context):
        for resource in request.resource_spans:
            services = [pair.value.string_value for pair in resource.resource.attributes if pair.key == "service.name"]
            for scope in resource.scope_spans:
                self.spans += [(services, span) for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


def identify(channel, path):
    """The original's one field: 1, a string."""
    encoded = path.encode()
    message = bytes([0x0A, len(encoded)]) + encoded
    call = channel.unary_unary("/facerecog.Identify/Identify")
    try:
        call(message, timeout=CALL_SECONDS, metadata=[("traceparent", f"00-{TRACE}-{PARENT}-01")])
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.NOT_FOUND:
            raise


def main():
    [photo] = sys.argv[1:]
    assert len(photo.encode()) < 128, "the length is one byte"
    collector = Collector()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"http://127.0.0.1:{port}", flush=True)
    with grpc.insecure_channel(sys.stdin.readline().strip()) as channel:
        identify(channel, photo)
        identify(channel, "/nowhere.jpg")
    print("asked", flush=True)
    sys.stdin.read()
    for services, span in collector.spans:
        codes = [pair.value.int_value for pair in span.attributes if pair.key == "rpc.grpc.status_code"]
        record = {
            "service": services,
            "name": span.name,
            "trace": span.trace_id.hex(),
            "parent": span.parent_span_id.hex(),
            "code": codes,
        }
        print(json.dumps(record))


main()
