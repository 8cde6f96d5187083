"""A gRPC client that does as it is told: sends as slowly, reads as little and leaves as suddenly as
no real one does. Over HTTP/2 by the `h2` library, which frames messages and nothing else."""

import select
import socket

import h2.config
import h2.connection
import h2.events
import h2.settings

# Far longer than the server takes for anything that is asked of it here.
PATIENCE = 60


class RawConnection:
    """One connection. Nothing is read but by `pump`."""

    def __init__(self, address, window=None):
        """With `window`, the server may send only so many bytes of each answer before it is let on."""
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        self.authority = address
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        if window is not None:
            values = {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window}
            self.h2.local_settings = h2.settings.Settings(client=True, initial_values=values)
        # Whether what is received is acknowledged, so that the server may send more.
        self.reads = window is None
        self.unread = {}
        self.headers = {}
        self.data = {}
        self.ended = set()
        self.closed = False
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        try:
            self.socket.sendall(self.h2.data_to_send())
        except OSError:
            self.closed = True

    def open(self, method, timeout=None, service="facerecog.v1.Recognizer"):
        """Begins a call; the id of its stream."""
        stream = self.h2.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", f"/{service}/{method}"),
            (":authority", self.authority),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ]
        if timeout is not None:
            headers.append(("grpc-timeout", timeout))
        self.h2.send_headers(stream, headers)
        self.headers[stream], self.data[stream] = {}, b""
        self.flush()
        return stream

    def room(self, stream):
        """Bytes that the server takes now."""
        return min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)

    def send(self, stream, data, end=False, give_up=None):
        """Sends as much as the server takes; the bytes sent. Waits until `give_up` says so."""
        sent = 0
        while sent < len(data) and stream not in self.ended and not self.closed:
            part = data[sent : sent + self.room(stream)]
            if part:
                self.h2.send_data(stream, part)
                self.flush()
                sent += len(part)
                self.pump(0)
            elif not self.pump(1) and give_up and give_up():
                return sent
        if end and stream not in self.ended and not self.closed:
            self.h2.end_stream(stream)
            self.flush()
        return sent

    def pump(self, seconds):
        """Takes what the server sends, waiting for it; whether anything came."""
        readable, _, _ = select.select([self.socket], [], [], seconds)
        if not readable or self.closed:
            return False
        try:
            received = self.socket.recv(1 << 20)
        except OSError:
            received = b""
        if not received:
            self.closed = True
            return False
        for event in self.h2.receive_data(received):
            self.handle(event)
        self.flush()
        return True

    def handle(self, event):
        match event:
            case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                self.headers[event.stream_id].update(event.headers)
            case h2.events.DataReceived():
                self.data[event.stream_id] += event.data
                length = event.flow_controlled_length
                if self.reads:
                    self.h2.acknowledge_received_data(length, event.stream_id)
                else:
                    self.unread[event.stream_id] = self.unread.get(event.stream_id, 0) + length
            case h2.events.StreamEnded() | h2.events.StreamReset():
                self.ended.add(event.stream_id)
            case h2.events.ConnectionTerminated():
                self.closed = True

    def read_on(self, stream, window=1 << 20):
        """From now on, takes everything."""
        self.reads = True
        self.h2.increment_flow_control_window(window, stream)
        self.flush()

    def status(self, stream):
        """The call's status when it has ended, waiting for that; None when it never came."""
        for _ in range(PATIENCE):
            if stream in self.ended or self.closed:
                break
            self.pump(1)
        status = self.headers[stream].get("grpc-status")
        return None if status is None else int(status)

    def reset(self, stream):
        self.h2.reset_stream(stream, error_code=8)
        self.flush()

    def vanish(self):
        """Without a word, as when a machine loses its power or a process is killed."""
        self.socket.close()


def framed(message, length=None):
    """A message as gRPC frames it; `length` is what it claims to have."""
    return b"\0" + (len(message) if length is None else length).to_bytes(4, "big") + message


def messages_in(data):
    """The whole messages at the beginning of what came."""
    found, at = [], 0
    while at + 5 <= len(data):
        length = int.from_bytes(data[at + 1 : at + 5], "big")
        if at + 5 + length > len(data):
            break
        found.append(data[at + 5 : at + 5 + length])
        at += 5 + length
    return found
