"""Tests permessage-deflate between headless Chromium and echo_server of examples/runtimes.

The connection passes through a proxy that records its bytes (see run).
"""

import base64
import http.server
import json
import os
import random
import re
import shlex
import socket
import sys
import threading

import chat
from chat import Failure

OFFER = "permessage-deflate; client_max_window_bits"
# The options of the echo server, and the response to that offer.
SERVERS = {
    "without compression": ([], None),
    "with compression": (["--deflate"], "permessage-deflate"),
    "with the smallest windows": (
        ["--server-window-bits", "8", "--client-window-bits", "8"],
        # A window of 8 bits is announced as 9, because zlib has no raw deflater for 8.
        "permessage-deflate; client_max_window_bits=9",
    ),
    "with smaller windows and no context takeover": (
        ["--server-window-bits", "10", "--client-window-bits", "11"]
        + ["--server-no-context-takeover", "--client-no-context-takeover"],
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=11",
    ),
}
RANDOM = random.Random(7692).randbytes(70_000)
# With any window, all messages except the last three get smaller.
MESSAGES = [
    "hello, " * 20,
    "naïve Ωμέγα 日本語 🦀 \0 " * 500,
    bytes(range(100)) * 700,
    json.dumps([{"id": n, "text": f"message {n}"} for n in range(3000)]),
    # Hexadecimal digits compress to half.
    RANDOM[:40_000].hex().encode(),
    RANDOM[:40_000].hex(),
    "",
    b"",
    RANDOM,
]
# Sends all messages and returns the echoes, binary messages as base64 in a list.
SCRIPT = """
    const [url, messages, done] = arguments;
    const bytes = ([text]) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    const base64 = (data) => btoa(Array.from(new Uint8Array(data), (byte) => String.fromCharCode(byte)).join(""));
    const echoes = [];
    const ws = new WebSocket(url);
    ws.binaryType = "arraybuffer";
    ws.onopen = () => messages.forEach((message) => ws.send(typeof message === "string" ? message : bytes(message)));
    ws.onmessage = ({ data }) => {
        echoes.push(typeof data === "string" ? data : [base64(data)]);
        if (echoes.length === messages.length) ws.close(1000);
    };
    ws.onclose = ({ code, wasClean }) => done({ code, wasClean, extensions: ws.extensions, echoes });
"""


class RecordingProxy:
    """A proxy between the browser and a server, for one connection. It records the bytes."""

    def __init__(self, port):
        self.server = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.sent, self.received = bytearray(), bytearray()
        threading.Thread(target=self._connect, daemon=True).start()

    def _connect(self):
        browser, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", self.server))
        for args in (browser, server, self.sent), (server, browser, self.received):
            threading.Thread(target=self._forward, args=args, daemon=True).start()

    def _forward(self, source, sink, record):
        while data := source.recv(1 << 16):
            record += data
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def parse(data):
    """Parses one direction. Returns the extensions header of the handshake, and the opcode, RSV1 and
    payload length of each message."""
    head, _, rest = bytes(data).partition(b"\r\n\r\n")
    field = re.search(r"^sec-websocket-extensions: *(.*)$", head.decode("latin-1").replace("\r", ""), re.M | re.I)
    messages = []
    while rest:
        first, second, rest = rest[0], rest[1], rest[2:]
        size = {126: 2, 127: 8}.get(second & 0x7F, 0)
        length = int.from_bytes(rest[:size], "big") if size else second & 0x7F
        rest = rest[size + (4 if second & 0x80 else 0) + length :]
        opcode, rsv1 = first & 0x0F, bool(first & 0x40)
        if opcode == 0:
            if rsv1:
                raise Failure("RSV1 is set on a continuation frame")
            messages[-1][2] += length
        elif opcode < 8:
            messages.append([opcode, rsv1, length])
    return field and field[1], messages


class EmptyPage(http.server.BaseHTTPRequestHandler):
    """An empty page on the loopback interface. Chromium restricts connections from other origins."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Test(chat.Test):
    def start_echo_server(self, options):
        command = shlex.split(os.environ.get("ECHO_SERVER", ""))
        if not command:
            command = [os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release/echo_server")]
        server = chat.Program(command + ["--listen", "127.0.0.1:0"] + options)
        self.servers.append(server)
        return int(server.wait_line(r"^listening on ws://127\.0\.0\.1:(\d+)/$")[1])

    def open_empty_page(self):
        pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), EmptyPage)
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        self.browser.call("POST", "/url", {"url": f"http://127.0.0.1:{pages.server_port}/"})

    def check_echoes(self, proxy):
        """Runs the script in the page. Checks the echoes, and returns the result of the script."""
        messages = [data if isinstance(data, str) else [base64.b64encode(data).decode()] for data in MESSAGES]
        result = self.browser.call("POST", "/execute/async", {"script": SCRIPT, "args": [proxy.url, messages]})
        if (result["code"], result["wasClean"], len(result["echoes"])) != (1000, True, len(MESSAGES)):
            raise Failure(f"closed with {result['code']} after {len(result['echoes'])} messages")
        echoes = [echo if isinstance(echo, str) else base64.b64decode(echo[0]) for echo in result["echoes"]]
        for number, (echo, message) in enumerate(zip(echoes, MESSAGES)):
            if echo != message:
                raise Failure(f"the echo of message {number} is {echo[:100]!r}... of length {len(echo)}")
        return result

    def check_handshake(self, proxy, result, expected):
        offer, response = parse(proxy.sent)[0], parse(proxy.received)[0]
        if (offer, response, result["extensions"]) != (OFFER, expected, expected or ""):
            raise Failure(f"the offer is {offer!r}, the response {response!r}, in the page {result['extensions']!r}")

    def check_compression(self, data, is_expected):
        messages = parse(data)[1]
        if [opcode for opcode, _, _ in messages] != [1 if isinstance(message, str) else 2 for message in MESSAGES]:
            raise Failure(f"the messages differ from those that were sent: {messages}")
        for message, (_, rsv1, length) in zip(MESSAGES[:-3], messages):
            plain = len(message.encode() if isinstance(message, str) else message)
            if rsv1 != is_expected or (length < plain) != is_expected:
                raise Failure(f"the payload of {plain} bytes has {length} on the wire, and RSV1 is {rsv1}")
        if not is_expected and any(rsv1 for _, rsv1, _ in messages):
            raise Failure("RSV1 is set without a negotiated extension")

    def run(self):
        check = self.check
        self.start_browser()
        self.open_empty_page()
        for name, (options, response) in SERVERS.items():
            proxy = RecordingProxy(check(f"an echo server {name}", self.start_echo_server, options))
            how = "compressed" if response else "uncompressed"
            result = check(f"{name}: text and binary messages are echoed", self.check_echoes, proxy)
            check(f"{name}: the negotiated extensions", self.check_handshake, proxy, result, response)
            check(f"{name}: the browser sends messages {how}", self.check_compression, proxy.sent, bool(response))
            check(f"{name}: the server sends messages {how}", self.check_compression, proxy.received, bool(response))


if __name__ == "__main__":
    sys.exit(chat.main(Test))
