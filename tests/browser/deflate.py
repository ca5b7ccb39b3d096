"""permessage-deflate between headless Chromium and examples/runtimes' echo_server, seen from between them (see run)."""

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
from chat import Failed

OFFER = "permessage-deflate; client_max_window_bits"
# The echo server's options, and its answer to that offer.
SERVERS = {
    "without compression": ([], None),
    "with compression": (["--deflate"], "permessage-deflate"),
    "with the smallest windows": (
        ["--server-window-bits", "8", "--client-window-bits", "8"],
        "permessage-deflate; client_max_window_bits=8",
    ),
    "with smaller windows and no takeover": (
        ["--server-window-bits", "10", "--client-window-bits", "11"]
        + ["--server-no-context-takeover", "--client-no-context-takeover"],
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=11",
    ),
}
RANDOM = random.Random(7692).randbytes(70_000)
# All but the last three get smaller when deflated, with any window.
MESSAGES = [
    "hello, " * 20,
    "naïve Ωμέγα 日本語 🦀 \0 " * 500,
    bytes(range(100)) * 700,
    json.dumps([{"id": n, "text": f"message {n}"} for n in range(3000)]),
    # Hexadecimal digits, which take half of a byte each.
    RANDOM[:40_000].hex().encode(),
    RANDOM[:40_000].hex(),
    "",
    b"",
    RANDOM,
]
# Sends all at once; gives back what was received, binary messages as base64 in a list.
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


class Wire:
    """Stands between the browser and a server, for one connection, and keeps what passes."""

    def __init__(self, port):
        self.server = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.sent, self.received = bytearray(), bytearray()
        threading.Thread(target=self._connect, daemon=True).start()

    def _connect(self):
        browser, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", self.server))
        for ends in (browser, server, self.sent), (server, browser, self.received):
            threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source, sink, kept):
        while data := source.recv(1 << 16):
            kept += data
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def parsed(data):
    """One direction: the handshake's field on extensions; of each message the opcode, RSV1, the payload's length."""
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
                raise Failed("RSV1 on a frame that goes on with a message")
            messages[-1][2] += length
        elif opcode < 8:
            messages.append([opcode, rsv1, length])
    return field and field[1], messages


class Blank(http.server.BaseHTTPRequestHandler):
    """An empty page on loopback: from pages of other origins, Chromium restricts what they may connect to."""

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
        return int(server.line(r"^listening on ws://127\.0\.0\.1:(\d+)/$")[1])

    def open_blank(self):
        pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Blank)
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        self.browser.call("POST", "/url", {"url": f"http://127.0.0.1:{pages.server_port}/"})

    def echoes(self, wire):
        """What the page saw."""
        messages = [data if isinstance(data, str) else [base64.b64encode(data).decode()] for data in MESSAGES]
        seen = self.browser.call("POST", "/execute/async", {"script": SCRIPT, "args": [wire.url, messages]})
        if (seen["code"], seen["wasClean"], len(seen["echoes"])) != (1000, True, len(MESSAGES)):
            raise Failed(f"ended with {seen['code']}, after {len(seen['echoes'])} messages")
        echoes = [echo if isinstance(echo, str) else base64.b64decode(echo[0]) for echo in seen["echoes"]]
        for number, (echo, message) in enumerate(zip(echoes, MESSAGES)):
            if echo != message:
                raise Failed(f"message {number} came back as {echo[:100]!r}... of length {len(echo)}")
        return seen

    def handshake(self, wire, seen, answer):
        offered, answered = parsed(wire.sent)[0], parsed(wire.received)[0]
        if (offered, answered, seen["extensions"]) != (OFFER, answer, answer or ""):
            raise Failed(f"offered {offered!r}, answered {answered!r}, for the page {seen['extensions']!r}")

    def compressed(self, data, wanted):
        messages = parsed(data)[1]
        if [opcode for opcode, _, _ in messages] != [1 if isinstance(message, str) else 2 for message in MESSAGES]:
            raise Failed(f"not the messages that were sent: {messages}")
        for message, (_, rsv1, length) in zip(MESSAGES[:-3], messages):
            plain = len(message.encode() if isinstance(message, str) else message)
            if rsv1 != wanted or (length < plain) != wanted:
                raise Failed(f"{plain} bytes are {length}, and RSV1 is {rsv1}")
        if not wanted and any(rsv1 for _, rsv1, _ in messages):
            raise Failed("RSV1, which is not agreed")

    def run(self):
        check = self.check
        self.start_browser()
        self.open_blank()
        for name, (options, answer) in SERVERS.items():
            wire = Wire(check(f"an echo server {name}", self.start_echo_server, options))
            how = "compressed" if answer else "as they are"
            seen = check(f"{name}: text and binary come back as they were sent", self.echoes, wire)
            check(f"{name}: the handshake and the page tell what is agreed", self.handshake, wire, seen, answer)
            check(f"{name}: the browser sends messages {how}", self.compressed, wire.sent, bool(answer))
            check(f"{name}: the server sends messages {how}", self.compressed, wire.received, bool(answer))


if __name__ == "__main__":
    sys.exit(chat.main(Test))
