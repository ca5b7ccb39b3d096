"""WebSockets over HTTP/3 (RFC 9220) with `aioquic` and `wsproto`, for tests with `examples/http3`.

    http3.py client URL CERTIFICATE   checks a server with permessage-deflate for messages of any
                                      length, whose certificate is in the file
    http3.py server CERTIFICATE       a server, which writes its certificate to the file

The server: /echo echoes. /close closes with 4001 after the first message. /reset resets the stream
after the first message, and /fin ends it, without a Close frame. /lost closes the connection with an
error. /refuse refuses with 403. /ended/PATH waits for the end of the WebSocket with that path, and
sends how it ended.
"""

import asyncio
import contextlib
import datetime
import ipaddress
import sys
from urllib.parse import urlsplit

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.h3.connection import H3_ALPN, H3Connection, Setting
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate
from wsproto.handshake import client_extensions_handshake, server_extensions_handshake

CHECK_TIMEOUT = 20  # seconds
NO_ERROR = 0x100
REQUEST_CANCELLED = 0x10C
INTERNAL_ERROR = 0x102
VALID = {":method": "CONNECT", ":protocol": "websocket", ":scheme": "https", "sec-websocket-version": "13"}


class Stream:
    """A request stream, and the WebSocket on it."""

    def __init__(self, protocol, stream_id):
        self.protocol = protocol
        self.id = stream_id
        self.events = asyncio.Queue()
        self.headers = {}
        self.ws = None
        self.message = None

    def start(self, role, extensions):
        self.ws = Connection(role, extensions)

    def send_headers(self, headers, end=False):
        headers = [(name.encode(), str(value).encode()) for name, value in headers.items()]
        self.protocol.h3.send_headers(self.id, headers, end)
        self.protocol.transmit()

    def send_data(self, data, end=False):
        self.protocol.h3.send_data(self.id, data, end)
        self.protocol.transmit()

    def send(self, event):
        self.send_data(self.ws.send(event))

    def reset(self, code):
        self.protocol._quic.reset_stream(self.id, code)
        self.protocol._quic.stop_stream(self.id, code)
        self.protocol.transmit()

    def received(self, event):
        """Takes an event of QUIC or HTTP/3."""
        if isinstance(event, HeadersReceived):
            self.headers = {name.decode(): value.decode() for name, value in event.headers}
            self.events.put_nowait(event)
        elif isinstance(event, events.StreamReset):
            self.events.put_nowait(("reset", event.error_code))
        elif isinstance(event, events.StopSendingReceived):
            self.events.put_nowait(("stopped", event.error_code))
        elif self.ws is None:
            self.events.put_nowait(event.data)
        elif event.data:
            self.ws.receive_data(event.data)
            for item in self.ws.events():
                self.received_item(item)
        if getattr(event, "stream_ended", False):
            self.events.put_nowait(("end", 0))

    def received_item(self, item):
        """Puts the pieces of a message together."""
        if isinstance(item, Message):
            self.message = item.data if self.message is None else self.message + item.data
            if item.message_finished:
                self.events.put_nowait(self.message)
                self.message = None
        elif isinstance(item, Ping):
            self.send(item.response())
        else:
            self.events.put_nowait(item)

    async def next(self):
        return await self.events.get()

    async def expect(self, expected):
        received = await self.next()
        if received != expected:
            raise AssertionError(f"{str(received)[:200]} instead of {str(expected)[:200]}")

    async def echo(self, data):
        kind = TextMessage if isinstance(data, str) else BytesMessage
        self.send(kind(data=data))
        await self.expect(data)

    async def close(self, code=1000, reason=""):
        self.send(CloseConnection(code=code, reason=reason))
        # The same code comes back, and no reason.
        await self.expect(CloseConnection(code=code, reason=""))
        await self.expect(("end", 0))
        self.send_data(b"", end=True)


class Protocol(QuicConnectionProtocol):
    """A connection of either role."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.h3 = H3Connection(self._quic)
        self.streams = {}

    def quic_event_received(self, event):
        if isinstance(event, (events.StreamReset, events.StopSendingReceived)):
            if stream := self.streams.get(event.stream_id):
                stream.received(event)
        for item in self.h3.handle_event(event):
            if isinstance(item, HeadersReceived) and item.stream_id not in self.streams:
                self.streams[item.stream_id] = Stream(self, item.stream_id)
                self.opened(self.streams[item.stream_id])
            if isinstance(item, (HeadersReceived, DataReceived)):
                self.streams[item.stream_id].received(item)
        if isinstance(event, events.ConnectionTerminated):
            for stream in self.streams.values():
                stream.events.put_nowait(("lost", event.error_code))

    def opened(self, stream):
        """The peer has opened a stream."""


# The client: checks a server of examples/http3.


class Client(Protocol):
    async def request(self, path="/", **headers):
        """Sends a request. A field whose value is None is left out."""
        stream = Stream(self, self._quic.get_next_available_stream_id())
        self.streams[stream.id] = stream
        fields = VALID | {":authority": self.authority, ":path": path} | headers
        pseudo_headers_first = sorted(fields.items(), key=lambda field: not field[0].startswith(":"))
        stream.send_headers({name: value for name, value in pseudo_headers_first if value is not None})
        # A server that refuses needs no more of the request, and may say so first.
        while (received := await stream.next()) == ("stopped", NO_ERROR):
            pass
        assert isinstance(received, HeadersReceived), received
        return stream

    async def open(self, deflate=False):
        extensions = [PerMessageDeflate()] if deflate else []
        headers = {}
        if deflate:
            headers["sec-websocket-extensions"] = f"permessage-deflate; {extensions[0].offer()}"
        stream = await self.request(**headers)
        assert stream.headers[":status"] == "200", stream.headers
        assert "sec-websocket-accept" not in stream.headers
        accepted = stream.headers.get("sec-websocket-extensions", "")
        assert bool(accepted) == deflate, accepted
        stream.start(ConnectionType.CLIENT, client_extensions_handshake([accepted] if accepted else [], extensions))
        return stream


def text(length):
    return ("naïve 🦀 text " * (length // 13 + 1))[:length]


def binary(length):
    return bytes((n * n >> 3) & 255 for n in range(length))


async def check_settings(client):
    (await (await client.open()).close()) if client.h3.received_settings is None else None
    value = client.h3.received_settings.get(Setting.ENABLE_CONNECT_PROTOCOL)
    assert value == 1, value


async def check_messages(client, deflate=False):
    ws = await client.open(deflate)
    for length in [0, 1, 125, 126, 65535, 65536, 1 << 20]:
        await ws.echo(binary(length))
        await ws.echo(text(length))
    await ws.close()


async def check_compressed_messages(client):
    await check_messages(client, deflate=True)


async def check_fragments(client):
    ws = await client.open()
    ws.send(TextMessage(data="frag", message_finished=False))
    ws.send(Ping(payload=b"between"))
    ws.send(TextMessage(data="ments"))
    await ws.expect(Pong(payload=b"between"))
    await ws.expect("fragments")
    await ws.close()


async def check_close(client):
    await (await client.open()).close(4000, "naïve reason")


async def check_many(client):
    async def one(number):
        ws = await client.open(deflate=number % 2 == 0)
        for n in range(5):
            await ws.echo(f"message {n} of {number}" * 100 * n)
        await ws.close()

    await asyncio.gather(*(one(number) for number in range(50)))


async def check_violation(client):
    ws = await client.open()
    ws.send_data(b"\x82\x01x")
    closed = await ws.next()
    assert isinstance(closed, CloseConnection) and closed.code == 1002, closed
    await ws.expect(("end", 0))


async def check_reset(client):
    other, ws = await client.open(), await client.open()
    # A part of a frame.
    ws.send_data(ws.ws.send(BytesMessage(data=binary(1000)))[:500])
    await other.echo(binary(100))
    ws.reset(REQUEST_CANCELLED)
    await ws.expect(("reset", REQUEST_CANCELLED))
    await other.echo(binary(100_000))
    await other.close()


async def check_end(client):
    other, ws = await client.open(), await client.open()
    ws.send_data(b"", end=True)
    # A server that has lost a WebSocket closes the transport (RFC 6455, section 7.1.1).
    received = await ws.next()
    assert received in [("end", 0), ("reset", REQUEST_CANCELLED)], received
    await other.echo(binary(100))
    await other.close()


async def check_refusals(client):
    for headers, status, field in [
        ({":protocol": "connect-udp"}, "501", None),
        ({":protocol": "of-the-future"}, "501", None),
        ({":protocol": None}, "400", None),
        ({":method": "GET", ":protocol": None}, "405", ("allow", "CONNECT")),
        ({"sec-websocket-version": "8"}, "400", ("sec-websocket-version", "13")),
        ({"origin": "https://evil.example"}, "403", None),
    ]:
        stream = await client.request(**headers)
        assert stream.headers[":status"] == status, (headers, stream.headers)
        if field is not None:
            assert stream.headers[field[0]] == field[1], stream.headers
        body = b""
        while (received := await stream.next()) != ("end", 0):
            if received != ("stopped", NO_ERROR):
                body += received
        assert b"RFC " in body, body
    await (await client.open()).close()


CLIENT_CHECKS = {
    "the server enables the extended CONNECT": check_settings,
    "messages without compression": check_messages,
    "messages with compression": check_compressed_messages,
    "fragments, with a Ping in between": check_fragments,
    "a Close frame with a code and a reason, then the end of the stream": check_close,
    "50 WebSockets on one connection": check_many,
    "a violation: Close with 1002, then the end of the stream": check_violation,
    "a reset inside a frame is answered with H3_REQUEST_CANCELLED, and leaves others unharmed": check_reset,
    "an end of the stream without a Close frame": check_end,
    "refusals: 501, 400, 405, 403": check_refusals,
}


async def run_client(url, certificate):
    url = urlsplit(url)
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name="localhost")
    configuration.load_verify_locations(certificate)
    for name, check in CLIENT_CHECKS.items():
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                async with connect(
                    url.hostname, url.port, configuration=configuration, create_protocol=Client
                ) as client:
                    client.authority = url.netloc
                    await check(client)
        except Exception as error:
            print(f"not ok - {name}: {error!r}")
            return 1
        print(f"ok - {name}", flush=True)
    return 0


# The server: is checked by the client of examples/http3.

endings = {}


class Server(Protocol):
    def opened(self, stream):
        asyncio.ensure_future(self.handle(stream))

    async def handle(self, stream):
        await stream.next()
        path = stream.headers[":path"]
        is_valid = all(stream.headers.get(name) == value for name, value in VALID.items())
        if not is_valid or path == "/refuse":
            stream.send_headers({":status": 403 if is_valid else 400, "x-reason": "none"})
            stream.send_data("kein Zutritt für dich\n".encode(), end=True)
            return
        offers = stream.headers.get("sec-websocket-extensions")
        supported = [PerMessageDeflate()]
        accepted = server_extensions_handshake([offers], supported) if offers else None
        headers = {":status": 200}
        if accepted:
            headers["sec-websocket-extensions"] = accepted.decode()
        extensions = [extension for extension in supported if extension.enabled()] if accepted else []
        stream.start(ConnectionType.SERVER, extensions)
        stream.send_headers(headers)
        ended = endings.setdefault(path, asyncio.get_running_loop().create_future())
        how = await self.serve(stream, path)
        if not ended.done():
            ended.set_result(how)

    async def serve(self, stream, path):
        if path.startswith("/ended"):
            pending = endings.setdefault(path.removeprefix("/ended"), asyncio.get_running_loop().create_future())
            stream.send(TextMessage(data=str(await pending)))
        seen = []
        while True:
            received = await stream.next()
            if isinstance(received, CloseConnection):
                if stream.ws.state.name == "REMOTE_CLOSING":
                    stream.send(received.response())
                stream.send_data(b"", end=True)
                return f"closed {received.code} {received.reason}"
            if isinstance(received, tuple):
                seen.append(f"{received[0]} {received[1]:#x}")
                # A reset comes with STOP_SENDING, in any order.
                if received[0] == "stopped" or len(seen) > 1 or received[0] != "reset":
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(1):
                            while len(seen) < 2:
                                more = await stream.next()
                                seen.append(f"{more[0]} {more[1]:#x}")
                    return ", ".join(sorted(seen))
            elif path == "/close":
                stream.send(CloseConnection(code=4001, reason="enough"))
            elif path == "/reset":
                stream.reset(REQUEST_CANCELLED)
            elif path == "/fin":
                stream.send_data(b"", end=True)
            elif path == "/lost":
                self.close(INTERNAL_ERROR, "lost")
            else:
                kind = TextMessage if isinstance(received, str) else BytesMessage
                stream.send(kind(data=received))


def write_certificate(file):
    """Returns the names of files with a certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    with open(f"{file}.key", "wb") as output:
        encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        output.write(key.private_bytes(*encoding))
    with open(file, "wb") as output:
        output.write(certificate.public_bytes(serialization.Encoding.PEM))
    return file, f"{file}.key"


async def run_server(file):
    configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
    configuration.load_cert_chain(*write_certificate(file))
    server = await serve("127.0.0.1", 0, configuration=configuration, create_protocol=Server)
    port = server._transport.get_extra_info("sockname")[1]
    print(f"listening on https://127.0.0.1:{port}/", flush=True)
    await asyncio.get_running_loop().create_future()


match sys.argv[1:]:
    case ["client", url, certificate]:
        sys.exit(asyncio.run(run_client(url, certificate)))
    case ["server", certificate]:
        asyncio.run(run_server(certificate))
    case _:
        sys.exit(__doc__)
