"""Python's h2 as a connector; prints the same lines as client.mjs, which explains them.

Usage: python3 client.py PORT CA CERTIFICATE KEY
"""

import hashlib
import os
import socket
import ssl
import sys

import h2.config
import h2.connection
import h2.events

PORT, CA, CERTIFICATE, KEY = sys.argv[1:]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Stream:
    def __init__(self):
        self.head = None
        self.received = bytearray()
        self.ended = False
        self.unsent = b""
        self.finish = False


class Client:
    def __init__(self):
        context = ssl.create_default_context(cafile=CA)
        context.load_cert_chain(CERTIFICATE, KEY)
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", int(PORT)), timeout=20)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        assert self.socket.selected_alpn_protocol() == "h2"
        # This version of the library demands :scheme and :path of what it sends, and CONNECT has
        # neither (RFC 9113 section 8.5).
        config = h2.config.H2Configuration(
            client_side=True, header_encoding="utf-8", validate_outbound_headers=False
        )
        self.http = h2.connection.H2Connection(config)
        self.http.initiate_connection()
        self.streams = {}

    def ask(self, service):
        number = self.http.get_next_available_stream_id()
        self.http.send_headers(number, [(":method", "CONNECT"), (":authority", service + ":80")])
        self.streams[number] = Stream()
        return number

    def send(self, number, data):
        """Queues the last bytes of a stream."""
        stream = self.streams[number]
        stream.unsent, stream.finish = data, True

    def run(self, until):
        """Moves bytes both ways until the condition holds."""
        while not until():
            self.push()
            self.socket.sendall(self.http.data_to_send())
            if until():
                return
            data = self.socket.recv(65536)
            assert data, "the tunnel ended"
            for event in self.http.receive_data(data):
                self.handle(event)

    def push(self):
        for number, stream in self.streams.items():
            while stream.unsent:
                room = self.http.local_flow_control_window(number)
                room = min(room, self.http.max_outbound_frame_size, len(stream.unsent))
                if room == 0:
                    break
                self.http.send_data(number, stream.unsent[:room])
                stream.unsent = stream.unsent[room:]
            if stream.finish and not stream.unsent:
                stream.finish = False
                self.http.end_stream(number)

    def handle(self, event):
        if isinstance(event, h2.events.ResponseReceived):
            self.streams[event.stream_id].head = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.streams[event.stream_id].received += event.data
            self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.streams[event.stream_id].ended = True
        elif isinstance(event, h2.events.StreamReset):
            # A server that needs no more of a request says so after its whole answer (RFC 9113
            # section 8.1): a refusal, here.
            assert event.error_code == 0 and self.streams[event.stream_id].ended, event
        elif isinstance(event, h2.events.ConnectionTerminated):
            raise AssertionError(event)


def main():
    client = Client()
    echoes = [client.ask("echo") for _ in range(6)]
    first_us, first_them, refused = client.ask("sum"), client.ask("first"), client.ask("nothing")
    streams = client.streams
    client.run(lambda: all(stream.head for stream in streams.values()))
    for number in echoes + [first_us, first_them]:
        assert streams[number].head[":status"] == "200", streams[number].head
    print("open", len(echoes))
    sent = {number: os.urandom(300_000 + i) for i, number in enumerate(echoes)}
    sent[first_us] = os.urandom(200_000)
    for number, data in sent.items():
        client.send(number, data)
    client.run(lambda: all(stream.ended for stream in streams.values()))
    for i, number in enumerate(echoes):
        back = streams[number].received
        print("echo", i, len(back), sha256(sent[number]), sha256(back))
    print("sum", sha256(sent[first_us]), streams[first_us].received.decode())
    after = os.urandom(100_000)
    client.send(first_them, after)
    stream = streams[first_them]
    client.run(lambda: not stream.finish)
    print("first", len(stream.received), sha256(stream.received), sha256(after))
    head = streams[refused].head
    print("refused", head[":status"], head["proxy-status"])
    client.http.close_connection()
    client.socket.sendall(client.http.data_to_send())
    while client.socket.recv(65536):
        pass  # the proxy ends the tunnel once it has delivered everything
    print("done")


main()
