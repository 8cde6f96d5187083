"""Clients that do a server harm, and one that asks like any other and must be answered all the while.

    python v1_abuse.py ADDRESS PROCESS_ID EXAMPLES_DIR

The server is a `recognizer --threads 1 serve` that knows the people of the repository's known_people,
so that it works on one photo and lets four wait; PROCESS_ID is its process, which runs on this machine.

Prints `ok NAME` or `FAIL NAME: why` a row, then `N passed, N failed`; exit status 1 when one failed.
"""

import concurrent.futures
import io
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import grpc
from PIL import Image
from raw_http2 import RawConnection, framed, messages_in
from v1_stubs import (
    CALL_SECONDS,
    Client,
    Code,
    Failure,
    Refusal,
    Row,
    check,
    messages,
    refusal,
    run_rows,
)

MIB = 1 << 20
MESSAGE_LIMIT = 64 * MIB
# What the server gives the messages of all calls together.
MESSAGE_MEMORY = 512 * MIB
# Beside the messages: networks, threads, connections, one photo being worked on.
OTHER_MEMORY = 600 * MIB
PLACES = 5
DEADLINE_EXCEEDED, UNAVAILABLE = 4, 14


def jpeg(image):
    data = io.BytesIO()
    image.save(data, "JPEG", quality=90)
    return data.getvalue()


@dataclass
class Setting:
    address: str
    process: int
    client: Client
    # A photo of Obama that is done at once, and one of three people that takes long.
    quick: bytes
    slow: bytes

    def request(self, photo):
        return messages.RecognizeRequest(photo=messages.Photo(content=photo))

    def answered(self, client=None):
        """Another client's question gets the right answer; while the server is busy, when asked again."""
        client = client or self.client
        for _ in range(600):
            answer = client.recognize(messages.Photo(content=self.quick))
            if not isinstance(answer, Refusal):
                found = [[match.image_name for match in face.matches] for face in answer.faces]
                check(found == [["obama.jpg"]], f"{found}")
                return
            check(answer.code == Code.UNAVAILABLE, f"{answer}")
            check(answer.retry_seconds and answer.retry_seconds > 0, f"{answer}: not when to come back")
            time.sleep(min(answer.retry_seconds, 0.2))
        raise Failure("the server has no time for others")

    def memory(self, field):
        """VmRSS or VmHWM of the server, in bytes."""
        status = Path(f"/proc/{self.process}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith(field))) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process}/fd"))


def eventually(condition, why):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise Failure(why)


def largest_message(setting):
    """A message of 64 MiB is read, one byte more is not; and the next call on the connection goes on."""
    envelope = messages.RecognizeRequest(photo=messages.Photo(content=bytes(MESSAGE_LIMIT))).ByteSize()
    content = bytes(MESSAGE_LIMIT - (envelope - MESSAGE_LIMIT))
    request = setting.request(content)
    check(request.ByteSize() == MESSAGE_LIMIT, f"{request.ByteSize()} bytes")
    answer = setting.client.ask("Recognize", request)
    check((answer.code, answer.reason) == (Code.INVALID_ARGUMENT, "unknown_format"), f"{answer}")
    answer = setting.client.ask("Recognize", setting.request(content + b"\0"))
    check((answer.code, answer.reason) == (Code.RESOURCE_EXHAUSTED, "message_too_large"), f"{answer}")
    check(answer.domain == "facerecog", f"{answer.domain!r}")

    photo = messages.Photo(content=content + b"\0" * 100)
    requests = iter([messages.RecognizeStreamRequest(id="large", photo=photo)])
    try:
        answers = list(setting.client.stub.RecognizeStream(requests, timeout=CALL_SECONDS))
    except grpc.RpcError as error:
        check(error.code() == Code.RESOURCE_EXHAUSTED, f"{refusal(error)}")
    else:
        raise Failure(f"{answers}")
    setting.answered()


def full_queue(setting):
    """Of forty at once, some are answered and the others told when to come back."""
    request = setting.request(setting.slow)
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: setting.client.ask("Recognize", request), range(40)))
    refused = [answer for answer in answers if isinstance(answer, Refusal)]
    check(len(answers) - len(refused) >= PLACES, f"{len(refused)} refused: {refused[0]}")
    check(refused, "nobody was refused")
    for answer in refused:
        check((answer.code, answer.domain) == (Code.UNAVAILABLE, "facerecog"), f"{answer}")
        # The deadline of those who come last may be too near for the queue.
        check(answer.reason in ("queue_full", "queue_too_long"), f"{answer}")
        check(answer.retry_seconds and answer.retry_seconds > 0, f"{answer}: not when to come back")
    full = [answer for answer in answers if isinstance(answer, Refusal) and answer.reason == "queue_full"]
    check(full, "the queue was never full")


def cancelled(setting):
    """Twenty times all places are taken and given up: whatever is lost of them would add up."""
    request = setting.request(setting.slow)
    for _ in range(20):
        calls = [setting.client.stub.Recognize.future(request, timeout=CALL_SECONDS) for _ in range(2 * PLACES)]
        # Refused: all places are taken.
        eventually(lambda: any(call.done() for call in calls), "the queue is never full")
        for call in calls:
            call.cancel()
    quick = setting.request(setting.quick)

    def all_free():
        calls = [setting.client.stub.Recognize.future(quick, timeout=CALL_SECONDS) for _ in range(PLACES)]
        return all(call.exception() is None for call in calls)

    eventually(all_free, "places are lost")


def expired(setting):
    """A deadline that has passed when the call comes."""
    connection = RawConnection(setting.address)
    message = framed(setting.request(setting.slow).SerializeToString())
    for timeout in ("0n", "1n", "1u"):
        stream = connection.open("Recognize", timeout)
        connection.send(stream, message, end=True)
        check(connection.status(stream) == DEADLINE_EXCEEDED, f"{timeout}: {connection.headers[stream]}")
    connection.vanish()
    setting.answered()


def slow_writers(setting):
    """More than there are places send the beginning of a message and no more."""
    connections = [RawConnection(setting.address) for _ in range(4 * PLACES)]
    calls = []
    for number, connection in enumerate(connections):
        stream = connection.open("Recognize", "5S")
        claimed = MESSAGE_LIMIT if number % 2 else 1000
        connection.send(stream, framed(b"\x0a\x80", length=claimed))
        calls.append((connection, stream))
    setting.answered()
    for connection, stream in calls:
        check(connection.status(stream) == DEADLINE_EXCEEDED, f"{connection.headers[stream]}")
        connection.vanish()
    setting.answered()


def slow_reader(setting):
    """A client that sends photos and reads no answers stops being read; then it reads them all."""
    count = 80
    connection = RawConnection(setting.address, window=100)
    stream = connection.open("RecognizeStream")
    # Padded, so that it is not the network that holds them.
    photo = messages.Photo(content=setting.quick + bytes(200_000))
    requests = [messages.RecognizeStreamRequest(id=str(number), photo=photo) for number in range(count)]
    data = b"".join(framed(request.SerializeToString()) for request in requests)
    others = []

    def rested():
        # Nothing was taken for as long as others were answered.
        others.append(setting.answered())
        return len(others) >= 10

    before = setting.memory("VmRSS")
    sent = connection.send(stream, data, give_up=rested)
    check(sent < len(data) // 2, f"{sent} of {len(data)} bytes were read although no answer was")
    check(setting.memory("VmRSS") - before < 100 * MIB, "answers or photos pile up")
    check(len(connection.data[stream]) <= 100, f"{len(connection.data[stream])} bytes came unasked")

    connection.read_on(stream)
    connection.send(stream, data[sent:], end=True)
    check(connection.status(stream) == 0, f"{connection.headers[stream]}")
    answers = [messages.RecognizeStreamResponse.FromString(data) for data in messages_in(connection.data[stream])]
    check(sorted(int(answer.id) for answer in answers) == list(range(count)), f"{len(answers)} answers")
    wrong = [answer for answer in answers if answer.response.faces[0].matches[0].image_name != "obama.jpg"]
    check(not wrong, f"{wrong[:1]}")
    connection.vanish()


def streams_beside_calls(setting):
    """However many photos streams have, a single call finds a place at once, and every photo is answered."""
    count = 30

    def requests():
        for number in range(count):
            yield messages.RecognizeStreamRequest(id=str(number), photo=messages.Photo(content=setting.quick))

    finished = []

    def stream():
        client = Client(setting.address)
        finished.append([answer for answer in client.stub.RecognizeStream(requests(), timeout=CALL_SECONDS)])

    threads = [threading.Thread(target=stream) for _ in range(3)]
    for thread in threads:
        thread.start()
    singles = 0
    while any(thread.is_alive() for thread in threads):
        answer = setting.client.recognize(messages.Photo(content=setting.quick))
        check(not isinstance(answer, Refusal), f"after {singles}: {answer}")
        singles += 1
    for thread in threads:
        thread.join()
    check(singles >= 3, f"{singles} single calls in the time of {3 * count} photos")
    check(len(finished) == 3, f"{len(finished)} of 3 streams have ended well")
    for answers in finished:
        failures = [answer.failure for answer in answers if answer.HasField("failure")]
        check(len(answers) == count and not failures, f"{len(answers)} answers, {failures[:1]}")


def abandoned_streams(setting):
    """Streams that are dropped with photos under way, and many of them."""
    data = b"".join(
        framed(messages.RecognizeStreamRequest(photo=messages.Photo(content=setting.slow)).SerializeToString())
        for _ in range(3)
    )
    for number in range(30):
        connection = RawConnection(setting.address)
        stream = connection.open("RecognizeStream")
        connection.send(stream, data)
        if number % 2:
            connection.reset(stream)
            connection.pump(0)
        connection.vanish()
    requests = iter([messages.RecognizeStreamRequest(id="mine", photo=messages.Photo(content=setting.quick))])
    answers = list(setting.client.stub.RecognizeStream(requests, timeout=CALL_SECONDS))
    check([answer.id for answer in answers] == ["mine"], f"{answers}")
    check(answers[0].HasField("response"), f"{answers[0].failure}")


def ten_thousand(setting):
    """A process that makes 10,000 calls and is gone before they are answered."""
    before = setting.descriptors()
    command = [sys.executable, __file__, "vanish", setting.address]
    vanishing = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        vanishing.stdin.write(setting.quick)
        vanishing.stdin.close()
        while vanishing.poll() is None:
            setting.answered()
        made, refused = (int(number) for number in vanishing.stdout.read().split())
    finally:
        vanishing.kill()
        vanishing.wait()
    check(made == 10_000, f"{made} calls were made")
    check(refused > 0, "none was refused")
    for _ in range(5):
        setting.answered()
    eventually(lambda: setting.descriptors() <= before + 1, "connections are kept")
    check(setting.memory("VmHWM") < MESSAGE_MEMORY + OTHER_MEMORY, f"{setting.memory('VmHWM') // MIB} MiB")


def vanish(address):
    """Fifty connections with 200 calls each, all under way at once, and not a word of farewell."""
    request = messages.RecognizeRequest(photo=messages.Photo(content=sys.stdin.buffer.read()))
    clients = [Client(address) for _ in range(50)]
    calls = [client.stub.Recognize.future(request, timeout=CALL_SECONDS) for _ in range(200) for client in clients]
    while sum(call.done() for call in calls) < 500:
        time.sleep(0.01)
    codes = [call.code() for call in calls if call.done()]
    print(len(calls), codes.count(Code.UNAVAILABLE), flush=True)
    os._exit(0)


def reset_flood(setting):
    """2,000 calls that are given up as soon as they are made."""
    connection = RawConnection(setting.address)
    for _ in range(2000):
        if connection.closed:
            break
        connection.reset(connection.open("Recognize"))
        connection.pump(0)
    connection.vanish()
    setting.answered()


def memory_for_messages(setting):
    """More bytes are sent, and held back from their end, than the server has memory for."""
    before = setting.memory("VmRSS")
    part = bytes(60 * MIB)
    calls, refused = [], 0
    for _ in range(12):
        connection = RawConnection(setting.address)
        stream = connection.open("Recognize", "50S")
        connection.send(stream, framed(part, length=len(part) + 1000))
        calls.append((connection, stream))
    for connection, stream in calls:
        connection.pump(0)
        if stream in connection.ended:
            refused += connection.status(stream) == UNAVAILABLE
    # The eight that fit wait for their ends; the others may come again.
    check(refused == 4, f"{refused} of {len(calls)} refused")
    setting.answered()
    used = setting.memory("VmRSS") - before
    check(used < MESSAGE_MEMORY + OTHER_MEMORY, f"{used // MIB} MiB more")
    for connection, _ in calls:
        connection.vanish()
    large = setting.request(bytes(40 * MIB))
    taken = lambda: setting.client.ask("Recognize", large).code == Code.INVALID_ARGUMENT
    eventually(taken, "the memory of those who left is lost")


ROWS = [
    Row("64 MiB, and one byte more", largest_message),
    Row("queue full", full_queue),
    Row("cancelled calls free their places", cancelled),
    Row("deadline that has passed", expired),
    Row("slow writers", slow_writers),
    Row("slow reader of a stream", slow_reader),
    Row("streams beside single calls", streams_beside_calls),
    Row("streams that are dropped", abandoned_streams),
    Row("2,000 calls given up at once", reset_flood),
    Row("more bytes than there is memory for messages", memory_for_messages),
    Row("10,000 calls of a client that vanishes", ten_thousand),
]


def main():
    match sys.argv[1:]:
        case ["vanish", address]:
            vanish(address)
        case [address, process, examples]:
            obama = Image.open(Path(examples) / "obama2.jpg").convert("RGB")
            group = Image.open(Path(examples) / "group.jpg").convert("RGB")
            quick = jpeg(obama.resize((obama.width * 2 // 5, obama.height * 2 // 5)))
            slow = jpeg(group.resize((3 * group.width, 3 * group.height)))
            setting = Setting(address, int(process), Client(address), quick, slow)
            run_rows(ROWS, setting)
        case _:
            raise SystemExit("usage: v1_abuse.py ADDRESS PROCESS_ID EXAMPLES_DIR")


if __name__ == "__main__":
    main()
