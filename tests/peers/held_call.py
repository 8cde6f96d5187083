"""Begins a call, never ends its side of it, and tells how the server ended the other.

    python held_call.py ADDRESS METHOD [MESSAGE...]

Sends the messages, which are given in hexadecimal, and then no more. Prints how many answers came and the
name of the status that the call ended with.
"""

import os
import sys
import threading

import grpc

address, method = sys.argv[1], sys.argv[2]
messages = [bytes.fromhex(message) for message in sys.argv[3:]]


def requests():
    yield from messages
    threading.Event().wait()


with grpc.insecure_channel(address, [("grpc.enable_retries", 0)]) as channel:
    call = channel.stream_stream(method, lambda data: data, lambda data: data)
    answers, code = 0, grpc.StatusCode.OK
    try:
        for _ in call(requests()):
            answers += 1
    except grpc.RpcError as error:
        code = error.code()
    print(answers, code.name, flush=True)
# Past the thread that waits to send: it would keep the interpreter alive.
os._exit(0)
