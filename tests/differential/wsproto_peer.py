"""The verdicts of `wsproto`: reads batches of cases from the standard input, and writes a verdict for each.

A batch is its length and then its cases. A case is four bytes (whether the endpoint is a client, has sent a
Close frame, and takes over the context of compression; and the bits of its windows, 0 without compression), the
number of pieces, and each piece with its length before it. A verdict is a list of parts, each with a letter,
its length and its bytes: Text, Binary, Ping, pOng, Close, Violation, End. Numbers have 32 bits.
"""

import struct
import sys

from wsproto import events
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason


class Verdict:
    def __init__(self, connection):
        self.connection, self.parts, self.message = connection, [], []

    def add(self, letter, payload=b""):
        self.parts.append(letter + struct.pack(">I", len(payload)) + payload)

    def receive(self, piece):
        """Returns whether the connection takes more."""
        self.connection.receive_data(piece)
        for event in self.connection.events():
            if isinstance(event, events.Message):
                data = event.data.encode() if isinstance(event, events.TextMessage) else event.data
                self.message.append(data)
                if event.message_finished:
                    self.add(b"T" if isinstance(event, events.TextMessage) else b"B", b"".join(self.message))
                    self.message = []
            elif isinstance(event, events.Ping):
                self.add(b"P", event.payload)
            elif isinstance(event, events.Pong):
                self.add(b"O", event.payload)
            else:
                self.close(event)
                return False
        return True

    def close(self, event):
        # A Close frame changes the state, a violation does not.
        if self.connection.state in (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING):
            self.add(b"V", struct.pack(">H", event.code))
        elif event.code == CloseReason.NO_STATUS_RCVD:
            self.add(b"C")
        else:
            self.add(b"C", struct.pack(">H", event.code) + event.reason.encode())


def extensions(takeover, bits):
    if not bits:
        return []
    deflate = PerMessageDeflate(not takeover, bits, not takeover, bits)
    # Enables it.
    deflate.finalize("permessage-deflate")
    return [deflate]


def verdict(is_client, closes_first, takeover, bits, pieces):
    role = ConnectionType.CLIENT if is_client else ConnectionType.SERVER
    connection = Connection(role, extensions(takeover, bits))
    if closes_first:
        connection.send(events.CloseConnection(1000))
    verdict = Verdict(connection)
    for piece in pieces:
        if not verdict.receive(piece):
            break
    verdict.add(b"E")
    return b"".join(verdict.parts)


def number(data, at):
    return struct.unpack_from(">I", data, at)[0], at + 4


def cases(batch):
    at = 0
    while at < len(batch):
        head = batch[at : at + 4]
        count, at = number(batch, at + 4)
        pieces = []
        for _ in range(count):
            length, at = number(batch, at)
            pieces.append(batch[at : at + length])
            at += length
        yield *head, pieces


while length := sys.stdin.buffer.read(4):
    batch = sys.stdin.buffer.read(*struct.unpack(">I", length))
    sys.stdout.buffer.write(b"".join(verdict(*case) for case in cases(batch)))
    sys.stdout.buffer.flush()
