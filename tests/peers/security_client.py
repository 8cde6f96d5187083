"""Tries to get past the encryption and the token of a server.

    python security_client.py ADDRESS DIR

DIR holds ca.pem, client.pem and client.key of that authority, other.pem and other.key of another one,
and the file `token` that the server was started with; the server's certificate is for localhost.
Prints `ok NAME` or `FAIL NAME: why` a row; exit status 1 when one failed.
"""

import sys
from pathlib import Path

import grpc

CALL_SECONDS = 20
Code = grpc.StatusCode

address, folder = sys.argv[1], Path(sys.argv[2])
port = address.rsplit(":", 1)[1]
token = (folder / "token").read_text().strip()
failed = 0


def read(name):
    return (folder / name).read_bytes()


def secure(certificate=None, authority="ca.pem"):
    """A channel that shows the certificate of this name."""
    chain = read(f"{certificate}.pem") if certificate else None
    key = read(f"{certificate}.key") if certificate else None
    credentials = grpc.ssl_channel_credentials(read(authority), key, chain)
    return grpc.secure_channel(f"localhost:{port}", credentials, [("grpc.use_local_subchannel_pool", 1)])


def code(channel, method, metadata=()):
    """How an empty request ends."""
    call = channel.unary_unary(method, lambda data: data, lambda data: data)
    try:
        call(b"", timeout=CALL_SECONDS, metadata=metadata)
    except grpc.RpcError as error:
        return error.code()
    return Code.OK


def row(name, found, right):
    global failed
    if right(found):
        print(f"ok {name}")
    else:
        failed += 1
        print(f"FAIL {name}: {found}")


def is_(wanted):
    return lambda found: found == wanted


READ = "/facerecog.HealthCheck/HealthCheck"
CHANGES = [f"/facerecog.v1.Recognizer/{name}" for name in ("Enroll", "Remove", "Reindex")]

row("with a certificate of the authority", code(secure("client"), READ), is_(Code.OK))
row("without a certificate", code(secure(), READ), is_(Code.UNAVAILABLE))
row("with a certificate of another authority", code(secure("other"), READ), is_(Code.UNAVAILABLE))
row("a server of another authority", code(secure("client", "other.pem"), READ), is_(Code.UNAVAILABLE))
row("without encryption", code(grpc.insecure_channel(f"localhost:{port}"), READ), is_(Code.UNAVAILABLE))

channel = secure("client")
for method in CHANGES:
    name = method.rsplit("/", 1)[1]
    for what, metadata in {
        "without a token": (),
        "with a wrong token": (("authorization", f"Bearer {token}x"),),
        "with half a token": (("authorization", f"Bearer {token[:-1]}"),),
        "with another scheme": (("authorization", f"Basic {token}"),),
        "with a name of another letter case and an empty token": (("authorization", "bearer "),),
    }.items():
        row(f"{name} {what}", code(channel, method, metadata), is_(Code.UNAUTHENTICATED))
    found = code(channel, method, (("authorization", f"Bearer {token}"),))
    row(f"{name} with the token", found, lambda found: found not in (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED))
# The doors beside the guarded one.
for path in ("/facerecog.v1.Recognizer//Enroll", "/facerecog.v1.recognizer/Enroll", "/facerecog.v1.Recognizer/Enroll/"):
    row(f"the call {path}", code(channel, path), is_(Code.UNIMPLEMENTED))
row("a call that changes nothing", code(channel, "/facerecog.Identify/Identify"), is_(Code.OK))
sys.exit(failed > 0)
