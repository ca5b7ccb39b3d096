"""Measures the user memory of a server for each idle connection."""

import argparse
import os
import re
import resource
import socket
import subprocess
import sys
import time

BATCH = 100
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
PING, PONG = 0x89, 0x8A


def masked_frame(first, payload):
    assert len(payload) < 126
    key = os.urandom(4)
    return bytes([first, 0x80 | len(payload)]) + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


def anonymous_memory(pid):
    """Returns the anonymous memory of the process in bytes: heap and stacks, without mapped files."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Anonymous:")) * 1024


class Client:
    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=30)
        self.received = b""

    def send(self, data):
        self.socket.sendall(data)

    def read(self):
        data = self.socket.recv(4096)
        if not data:
            raise EOFError("the server closed a connection")
        self.received += data

    def send_request(self):
        self.send(
            b"GET /idle HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n"
        )

    def receive_response(self):
        while b"\r\n\r\n" not in self.received:
            self.read()
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 ") or ACCEPT not in head:
            raise ValueError(f"the handshake failed: {head!r}")

    def receive_frame(self):
        while len(self.received) < 2 or len(self.received) < 2 + self.received[1]:
            self.read()
        end = 2 + self.received[1]
        first, payload, self.received = self.received[0], self.received[2:end], self.received[end:]
        return first, payload

    def receive_echo(self, message):
        """Waits for a message. Answers the Pings before it."""
        while True:
            first, payload = self.receive_frame()
            if first == PING:
                self.send(masked_frame(PONG, payload))
            elif (first, payload) != (0x81, message):
                raise ValueError(f"the echo of {message!r} is {first:#x}, {payload!r}")
            else:
                return


def echo(clients, message):
    for client in clients:
        client.send(masked_frame(0x81, message))
    for client in clients:
        client.receive_echo(message)


def measure(pid, address, number, clients):
    # All memory that the server allocates after this counts for the connections.
    before = anonymous_memory(pid)
    while len(clients) < number:
        batch = [Client(address) for _ in range(min(BATCH, number - len(clients)))]
        for client in batch:
            client.send_request()
        for client in batch:
            client.receive_response()
        echo(batch, b"a message before the idle time")
        clients += batch
    time.sleep(3)
    after = anonymous_memory(pid)
    # Checks that all connections are still open.
    for start in range(0, number, BATCH):
        echo(clients[start : start + BATCH], b"a message after the idle time")
    return before, after


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--limit", type=int, help="maximum bytes of a connection; more is a failure")
    parser.add_argument("server", nargs="+", help="command that prints `listening on ws://127.0.0.1:PORT/` when it is ready")
    options = parser.parse_args()

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = options.connections + 100
    if hard != resource.RLIM_INFINITY and hard < needed:
        parser.error(f"needs {needed} file descriptors, but the hard limit is {hard}")
    # The server inherits this limit.
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else hard, hard))

    server = subprocess.Popen(options.server, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    # The clients outlive the server, so that it reports no dropped connections.
    clients = []
    try:
        line = server.stdout.readline()
        listening = re.fullmatch(r"listening on ws://(127\.0\.0\.1):(\d+)/\n", line)
        if listening is None:
            sys.exit(f"the server printed {line!r} instead of its address")
        address = listening[1], int(listening[2])
        before, after = measure(server.pid, address, options.connections, clients)
        if server.poll() is not None:
            raise EOFError("the server exited")
    finally:
        server.kill()
        server.wait()
    each = (after - before) / options.connections
    name = os.path.basename(options.server[0])
    limit = "" if options.limit is None else f" (at most {options.limit})"
    print(
        f"{name}: {options.connections:,} idle connections: {before:,} bytes before, {after:,} after;"
        f" {each:.0f} bytes each{limit}"
    )
    return options.limit is not None and each > options.limit


if __name__ == "__main__":
    sys.exit(main())
