"""Keeps a server busy from many connections until it goes away, and counts how each call ended.

    python drain_client.py ADDRESS CALLERS CONNECTIONS [PHOTO]

Every caller asks facerecog.Identify who is on PHOTO, or facerecog.HealthCheck without one, one call
after the other; the callers share the connections. Once each has an answer it prints `under way`;
whoever started this stops the server then. A caller leaves when it finds the server gone. Prints one JSON object: how many calls were answered,
refused because the server was busy, refused because it was gone, and everything else that came back.
"""

import json
import sys
import threading

import grpc

CALL_SECONDS = 60

address, callers, connections = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if len(sys.argv) > 4:
    photo = sys.argv[4].encode()
    assert len(photo) < 128, "a longer length takes two bytes"
    # IdentifyRequest { image_path = 1 }.
    method, request = "/facerecog.Identify/Identify", b"\x0a" + bytes([len(photo)]) + photo
else:
    method, request = "/facerecog.HealthCheck/HealthCheck", b""

lock = threading.Lock()
ended = {"answered": 0, "busy": 0, "gone": 0, "other": []}
started = threading.Barrier(callers + 1)


def ask(call):
    try:
        call(request, timeout=CALL_SECONDS)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.UNAVAILABLE:
            return "other", f"{error.code().name}: {error.details()}"
        return ("busy" if "busy" in error.details() else "gone"), None
    return "answered", None


def caller(channel):
    call = channel.unary_unary(method, lambda data: data, lambda data: data)
    waiting = True
    while True:
        how, what = ask(call)
        with lock:
            if how == "other":
                ended[how].append(what)
            else:
                ended[how] += 1
        if how == "answered" and waiting:
            waiting = False
            started.wait()
        if how in ("gone", "other"):
            return


# Without retries of the client's own: what happened to each call is to be seen.
options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
channels = [grpc.insecure_channel(address, options) for _ in range(connections)]
threads = [threading.Thread(target=caller, args=(channels[number % connections],)) for number in range(callers)]
for thread in threads:
    thread.start()
started.wait()
print("under way", flush=True)
for thread in threads:
    thread.join()
print(json.dumps(ended), flush=True)
