"""Records the connections on the two sides of the proxy, and compares them.

tap.py record URL DIRECTORY   passes connections on to the server at URL, and records their bytes
tap.py compare FRONT BACK     compares the recordings of the client's and of the server's side. Prints
                              the outcome of a check as a client does

A connection is found again by the target of its request. So each has one of its own.
"""

import asyncio
import re
import sys
from collections import Counter
from dataclasses import dataclass
from itertools import count
from pathlib import Path

READ_SIZE = 1 << 16
CLOSE = 8
FIN, RSV1 = 0x80, 0x40
# Part of the target of a connection that may end without a closing handshake: an end is dropped, or fails
# and does not wait for the answer to its Close frame.
INTERRUPTED = "interrupted"


async def pass_on(reader, writer, file):
    """Passes one direction of a connection on, up to its end."""
    with open(file, "wb", buffering=0) as recording:
        try:
            while data := await reader.read(READ_SIZE):
                recording.write(data)
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            writer.transport.abort()


async def record(url, directory):
    host, port = re.fullmatch(r"ws://([\d.]+):(\d+)/", url).groups()
    numbers = count()

    async def passing(reader, writer):
        file = directory / str(next(numbers))
        server_reader, server_writer = await asyncio.open_connection(host, port)
        await asyncio.gather(
            pass_on(reader, server_writer, file.with_suffix(".sent")),
            pass_on(server_reader, writer, file.with_suffix(".received")),
        )
        server_writer.close()
        writer.close()

    server = await asyncio.start_server(passing, "127.0.0.1", 0)
    print("listening on ws://{}:{}/".format(*server.sockets[0].getsockname()), flush=True)
    await server.serve_forever()


@dataclass
class Frame:
    """A frame: its first byte, and its payload without the mask."""

    first: int
    payload: bytes

    @property
    def opcode(self):
        return self.first & 0xF

    @property
    def is_compressed(self):
        return self.first & RSV1 != 0


def head(data):
    """Returns the first line of a head, the values of its headers by name, and what follows it."""
    lines, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = lines.decode().split("\r\n")
    headers = {}
    for name, value in (line.split(":", 1) for line in lines):
        headers.setdefault(name.lower(), []).append(value.strip())
    # How a list is divided into lines, and the spaces in it, do not count.
    return first, {name: re.sub(r"\s*([,;=])\s*", r"\1", ",".join(values)) for name, values in headers.items()}, rest


def frames(data):
    """Returns the frames, the keys that they are masked with, and whether the last one is cut off. That
    one is left out."""
    found, keys, at = [], [], 0
    while at < len(data):
        first, second = data[at : at + 2]
        length, at = second & 0x7F, at + 2
        if length > 125:
            size = 2 if length == 126 else 8
            length, at = int.from_bytes(data[at : at + size]), at + size
        key = b""
        if second & 0x80:
            key, at = data[at : at + 4], at + 4
        payload, at = data[at : at + length], at + length
        if at > len(data):
            break
        if key:
            masks = (key * (length // 4 + 1))[:length]
            payload = (int.from_bytes(payload) ^ int.from_bytes(masks)).to_bytes(length)
        found.append(Frame(first, payload))
        keys.append(key)
    return found, keys, at > len(data)


@dataclass
class Conversation:
    """A recorded connection. What it has in common on both sides comes first."""

    handshake: dict
    sent: list
    received: list
    keys: list
    is_cut_off: bool

    @classmethod
    def read(cls, file):
        """Returns the target too."""
        request, offered, sent = head(file.read_bytes())
        status, answered, received = head(file.with_suffix(".received").read_bytes())
        target, status = request.split()[1], status.split()[1]
        handshake = {"status": status}
        for name in ["sec-websocket-extensions", "sec-websocket-protocol"]:
            handshake[f"offered {name}"] = offered.get(name)
            handshake[f"answered {name}"] = answered.get(name)
        if status != "101":
            return target, cls(handshake, [], [], [], False)
        sent, keys, is_sent_cut_off = frames(sent)
        received, server_keys, is_received_cut_off = frames(received)
        assert all(keys) and not any(server_keys), "the client's frames are masked, the server's are not"
        return target, cls(handshake, sent, received, keys, is_sent_cut_off or is_received_cut_off)

    @property
    def is_compressed(self):
        return self.handshake["answered sec-websocket-extensions"] is not None


def conversations(directory):
    found = [Conversation.read(file) for file in directory.glob("*.sent")]
    assert len(dict(found)) == len(found), "each connection has a target of its own"
    return dict(found)


def compare_frames(what, sent, forwarded, is_interrupted):
    """Compares the frames in one direction. If an end is interrupted, the other one gets a Close frame of
    the proxy, and not all frames arrive."""
    if is_interrupted:
        sent, forwarded = ([frame for frame in side if frame.opcode != CLOSE] for side in (sent, forwarded))
    for number, (one, other) in enumerate(zip(forwarded, sent)):
        assert one == other, f"frame {number} {what}: {str(one)[:100]}, not {str(other)[:100]}"
    is_complete = len(forwarded) == len(sent) or is_interrupted and len(forwarded) < len(sent)
    assert is_complete, f"{len(forwarded)} frames {what}, not {len(sent)}"


def compare(front, back):
    """Compares all connections. Returns how many connections and frames there were."""
    assert front.keys() == back.keys(), f"connections on one side only: {front.keys() ^ back.keys()}"
    passed, interrupted = Counter(), 0
    for target, client in front.items():
        server = back[target]
        assert client.handshake == server.handshake, f"{target}: {client.handshake}, not {server.handshake}"
        ends = (client.sent, server.sent, client.received, server.received)
        is_closed = all(any(frame.opcode == CLOSE for frame in end) for end in ends)
        is_open = client.handshake["status"] == "101"
        is_interrupted = is_open and (not is_closed or client.is_cut_off or server.is_cut_off)
        compare_frames(f"of the client, {target}", client.sent, server.sent, is_interrupted)
        compare_frames(f"of the server, {target}", server.received, client.received, is_interrupted)
        assert not is_interrupted or INTERRUPTED in target, f"{target}: no closing handshake"
        interrupted += is_interrupted
        is_same = any(one == other for one, other in zip(client.keys, server.keys))
        assert not is_same, f"{target}: a frame is masked with the client's key"
        for name, sent in [("client", client.sent), ("server", server.received)]:
            compressed = sum(frame.is_compressed for frame in sent)
            assert client.is_compressed or not compressed, f"{target}: compressed frames"
            passed[f"of the {name}"] += len(sent)
            passed[f"of the {name}, compressed"] += compressed
            passed[f"of the {name}, fragments"] += sum(not frame.first & FIN for frame in sent)
    assert all(passed.values()) and len(passed) == 6, f"frames of each kind: {dict(passed)}"
    frames = ", ".join(f"{number} {name}" for name, number in passed.items())
    return f"{len(front)} connections, {interrupted} of them interrupted; frames: {frames}"


def main(mode, one, other):
    if mode == "record":
        asyncio.run(record(one, Path(other)))
        return 0
    try:
        front, back = (conversations(Path(directory)) for directory in (one, other))
        passed = compare(front, back)
    except AssertionError as error:
        print(f"not ok - both sides of the proxy: {error}")
        return 1
    print(f"ok - both sides of the proxy are equal: {passed}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
