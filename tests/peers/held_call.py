"""Begins a call, never ends its side of it, and tells how the server ended the other.

    python held_call.py ADDRESS METHOD

Sends the head of the call and no message. Prints the name of the status that it ends with.
"""

import os
import sys
import threading

import grpc

address, method = sys.argv[1], sys.argv[2]


def nothing():
    threading.Event().wait()
    yield b""


with grpc.insecure_channel(address, [("grpc.enable_retries", 0)]) as channel:
    call = channel.stream_stream(method, lambda data: data, lambda data: data)
    try:
        for _ in call(nothing()):
            pass
        print("OK", flush=True)
    except grpc.RpcError as error:
        print(error.code().name, flush=True)
# Past the thread that waits to send: it would keep the interpreter alive.
os._exit(0)
