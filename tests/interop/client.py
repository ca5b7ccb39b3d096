"""A client of the `websockets` library against our servers: client.py ECHO STRICT SCRIPT DEFLATE LIMITED (see run)."""

import asyncio
import itertools
import json
import random
import sys

from websockets.asyncio.client import connect as library_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, NegotiationError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

LIMIT = 30  # seconds; no check takes so long, even on a busy machine
ECHO, STRICT, SCRIPT, DEFLATE, LIMITED = sys.argv[1:]
STRICT_SIZE = 65536
SIDES = ["server", "client"]

UNICODE = "naïve Ωμέγα 日本語 \U0001f980 \U0010ffff \0"
# The longest there may be: 123 bytes.
LONG_REASON = (
    "ändern, bleiben, gehen: was auch immer; this reason is as long as a reason may be, to the very "
    "last byte of its 123 bytes."
)
CLOSES = {
    "1000": (1000, "bye"),
    "3000": (3000, "auf Wiederhören ✓"),
    "4999": (4999, LONG_REASON),
    "empty": (None, ""),
}
REFUSALS = {
    401: ("WWW-Authenticate", 'Basic realm="interop"', "who is it?\n"),
    403: ("X-Reason", "none", "kein Zutritt für dich\n"),
    302: ("Location", "/echo/elsewhere", "not here\n"),
}

checks = []
ids = iter(range(1, 1000))


def check(name, *variants):
    """Adds a check; with variants, one for each, whose name has it in the place of {}."""

    def add(function):
        for args in [(variant,) for variant in variants] or [()]:
            checks.append((name.format(*args), function, args))

    return add


def brief(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"


def same(what, got, expected):
    if got != expected:
        raise AssertionError(f"{what}: {brief(got)}, not {brief(expected)}")


def connect(url, **options):
    options = {"compression": None, "max_size": 4 << 20, "ping_interval": None, **options}
    return library_connect(url, proxy=None, close_timeout=LIMIT / 2, **options)


async def echoes(*messages, url=ECHO, **options):
    async with connect(url, **options) as ws:
        for message in messages:
            await ws.send(message)
            same("the echo", await ws.recv(), message)
    same("closed with", (ws.close_code, ws.close_reason), (1000, ""))


async def saw(id, expected):
    """How a connection ended as our server saw it: begun by whom, clean or not, the code, the reason."""
    async with connect(f"{SCRIPT}script/{next(ids)}") as ws:
        await ws.send(f"ended {id}")
        same("what the server saw", await ws.recv(), expected)


async def closed(ws):
    """The end of a connection, whatever it is."""
    try:
        message = await ws.recv()
    except ConnectionClosed as end:
        return end
    raise AssertionError(f"still open: {brief(message)}")


def frame(close):
    return close and (close.code, close.reason)


def binary(size):
    # The second factor keeps shifted data from looking right.
    return bytes((i ^ (i >> 8) * 7) & 0xFF for i in range(size))


def text(size):
    text = "0123456789 äöü €\n" * (size // 22)
    return text + "." * (size - len(text.encode()))


@check("text")
async def _():
    await echoes("hello", "again")


@check("unicode text")
async def _():
    await echoes(UNICODE)


@check("binary, all byte values")
async def _():
    await echoes(binary(256), binary(1000))


@check("empty text")
async def _():
    await echoes("", "after it")


@check("empty binary")
async def _():
    await echoes(b"", "after it")


@check("sizes 125, 126, 65535, 65536")
async def _():
    sizes = [125, 126, 127, 65535, 65536]
    await echoes(*map(binary, sizes), *map(text, sizes))


@check("1 MiB of text")
async def _():
    await echoes(text(1 << 20))


@check("1 MiB of binary")
async def _():
    await echoes(binary(1 << 20))


@check("fragmented {}, a ping between", "text", "binary")
async def _(kind):
    whole = "ein € in Stücken, und eines davon leer"
    heard = []

    async def fragments():
        # The euro sign is cut.
        yield whole.encode()[:5]
        pong = await ws.ping(b"between")
        yield b""
        # The answer does not wait for the rest of the message.
        await pong
        heard.append("pong")
        yield whole.encode()[5:]

    async with connect(ECHO) as ws:
        await ws.send(fragments(), text=kind == "text")
        same("the echo", await ws.recv(), whole if kind == "text" else whole.encode())
        same("heard before", heard, ["pong"])


@check("many small fragments")
async def _():
    async with connect(ECHO) as ws:
        for message in [text(300_000), binary(300_001)]:
            await ws.send(message[i : i + 1000] for i in range(0, len(message), 1000))
            same("the echo", await ws.recv(), message)


@check("fragments from the server")
async def _():
    async with connect(STRICT) as ws:
        for message in [text(10_000), binary(10_001)]:
            await ws.send(message)
            fragments = [fragment async for fragment in ws.recv_streaming()]
            same("the echo", message[:0].join(fragments), message)
            same("more than one fragment", len([fragment for fragment in fragments if fragment]) >= 10, True)


@check("fragments from the server, a ping between")
async def _():
    async with connect(f"{SCRIPT}script/{next(ids)}") as ws:
        await ws.send("fragments")
        fragments = [fragment async for fragment in ws.recv_streaming(decode=False)]
        same("fragments", fragments, [b"three \xe2", b"\x82\xac in frag", b"ments"])


@check("pings by the client")
async def _():
    async with connect(ECHO) as ws:
        for payload in [b"are you there", b"", b"\xff" * 125]:
            # The library waits for the pong with the same payload.
            await (await ws.ping(payload))


@check("pings by the server")
async def _():
    async with connect(f"{SCRIPT}script/{next(ids)}") as ws:
        for payload in ["are you there", "x", "ab" * 62]:
            await ws.send(f"ping {payload}")
            # The server says so when it has the pong.
            same("the server heard", await ws.recv(), f"pong {payload}")


@check("200 messages without waiting")
async def _():
    messages = [binary(n) if n % 2 else f"{n}: {'é' * n}" for n in range(200)]
    async with connect(ECHO) as ws:
        for message in messages:
            await ws.send(message)
        for message in messages:
            same("in order", await ws.recv(), message)


@check("200 messages from another task")
async def _():
    # So much that it works only if both directions flow at once.
    data = binary(100_000)

    async def send():
        for n in range(200):
            await ws.send(data + bytes([n]))

    async with connect(ECHO) as ws, asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        for n in range(200):
            same("in order", await ws.recv(), data + bytes([n]))


@check("subprotocol: the server's preference")
async def _():
    for offers in [["chat.v1", "chat.v2"], ["other", "chat.v2", "chat.v1"]]:
        async with connect(STRICT, subprotocols=offers) as ws:
            same("chosen", ws.subprotocol, "chat.v2")
    async with connect(STRICT, subprotocols=["chat.v1"]) as ws:
        same("chosen of one", ws.subprotocol, "chat.v1")


@check("subprotocol: none in common")
async def _():
    for url, offers in [(STRICT, None), (STRICT, ["other"]), (ECHO, ["chat.v1"])]:
        async with connect(url, subprotocols=offers) as ws:
            same("chosen", ws.subprotocol, None)


@check("permessage-deflate offered, not granted")
async def _():
    async with connect(ECHO, compression="deflate") as ws:
        same("offered", "permessage-deflate" in ws.request.headers["Sec-WebSocket-Extensions"], True)
        same("granted", ws.response.headers.get("Sec-WebSocket-Extensions"), None)
        await ws.send("a" * 1000)
        same("the echo", await ws.recv(), "a" * 1000)


def mixed_messages():
    """200 messages of all kinds and sizes, which repeat themselves at distances around that of every window."""
    dice = random.Random(7692)
    messages = []
    for n in range(25):
        distance = (1 << 8 + n // 3) + n % 3 - 1
        # Of few letters, so that it gets smaller in any case; at random, so that it repeats nothing else at length.
        letters = dice.randbytes(distance // 2 + 1).hex()[:distance]
        messages += [
            ["", b""][n % 2],
            bytes([n]),
            json.dumps({"id": n, "user": f"guest {n}", "text": "hello, world", "tags": [n] * n}),
            UNICODE * (n % 5 + 1),
            dice.randbytes(60 * n),
            letters,
            letters.encode(),
            [text(3500 * n), dice.randbytes(distance) * 2, bytes(range(256)) * 12 * n][n % 3],
        ]
    return messages


MIXED = mixed_messages()


def params(no_takeover, server_bits, client_bits):
    """As they stand in paths: who has no takeover, of "server" and "client", and the bits; "-" for what is not set."""
    return f"{'+'.join(no_takeover) or '-'},{server_bits or '-'},{client_bits or '-'}"


def deflating(url, no_takeover=(), server_bits=None, client_bits=True):
    """A connection that offers compression."""
    offer = ClientPerMessageDeflateFactory("server" in no_takeover, "client" in no_takeover, server_bits, client_bits)
    return connect(url, extensions=[offer])


def agreed(ws):
    """What the library took from the response."""
    same("extensions", [extension.name for extension in ws.protocol.extensions], ["permessage-deflate"])
    [deflate] = ws.protocol.extensions
    no_takeover = {"server": deflate.remote_no_context_takeover, "client": deflate.local_no_context_takeover}
    no_takeover = [side for side in SIDES if no_takeover[side]]
    return params(no_takeover, deflate.remote_max_window_bits, deflate.local_max_window_bits)


def metered(codec):
    """Makes an encoder or decoder of frames count: compressed messages, and their bytes when deflated and inflated."""
    counts = [0, 0, 0]

    def counting(frame, **options):
        result = codec(frame, **options)
        if frame.rsv1 or result.rsv1:
            deflated, inflated = (frame, result) if frame.rsv1 else (result, frame)
            counts[:] = counts[0] + 1, counts[1] + len(deflated.data), counts[2] + len(inflated.data)
        return result

    return counting, counts


async def mixed(ws):
    """All messages and their echoes, compressed indeed."""
    [deflate] = ws.protocol.extensions
    deflate.encode, sent = metered(deflate.encode)
    deflate.decode, received = metered(deflate.decode)

    async def send():
        for message in MIXED:
            await ws.send(message)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        for number, message in enumerate(MIXED):
            same(f"echo {number}", await ws.recv(), message)
    # The library compresses everything; our side what gets smaller, which two in five do with any window.
    same("compressed", sent[0], len(MIXED))
    same(f"enough compressed: {received[0]}", received[0] >= 0.4 * len(MIXED), True)
    for _, deflated, inflated in [sent, received]:
        same(f"smaller: {inflated} bytes, now {deflated}", deflated < 0.6 * inflated, True)


def combinations():
    """All that can be agreed, asked for by each side in turn: the server's settings, the offer, the agreement."""
    for flags, server, client in itertools.product(range(4), range(8, 16), range(9, 16)):
        no_takeover = [side for bit, side in enumerate(SIDES) if flags >> bit & 1]
        asked = no_takeover, server, client
        more = no_takeover, min(server + 1, 15), min(client + 1, 15)
        yield [
            ("the client", ((), None, None), asked, asked),
            # Our server uses the smaller window without a word about it.
            ("the server", asked, ((), None, True), (no_takeover, 15, client)),
            ("both, the client for less", more, asked, asked),
            ("both, the server for less", asked, more, asked),
        ][(flags + server + client) % 4], asked


for (by, server, offer, agreement), asked in combinations():

    @check(f"compressed with {params(*asked)}, asked for by {by}")
    async def _(server=server, offer=offer, agreement=agreement):
        url = f"{SCRIPT}deflate/{params(*server)}" if any(server) else DEFLATE
        async with deflating(url, *offer) as ws:
            same("agreed", agreed(ws), params(*agreement))
            await mixed(ws)


@check("compressed with all the echo server's options")
async def _():
    async with deflating(LIMITED) as ws:
        same("agreed", agreed(ws), "server+client,15,11")
        await mixed(ws)
    async with deflating(LIMITED, server_bits=15) as ws:
        same("agreed", agreed(ws), "server+client,10,11")


@check("compressed without client_max_window_bits in the offer")
async def _():
    async with deflating(DEFLATE, client_bits=None) as ws:
        same("agreed", agreed(ws), "-,15,15")
        await mixed(ws)


@check("not compressed if the client does not say that it can have the window demanded")
async def _():
    async with deflating(LIMITED, client_bits=None) as ws:
        same("extensions", ws.protocol.extensions, [])
        same("in the response", ws.response.headers.get("Sec-WebSocket-Extensions"), None)
        await ws.send("a" * 1000)
        same("the echo", await ws.recv(), "a" * 1000)


@check("8 bits demanded of the client: the library gives up")
async def _():
    # Because zlib has no raw deflater for them.
    try:
        await deflating(f"{SCRIPT}deflate/-,-,8")
    except NegotiationError as error:
        same("declined", "('client_max_window_bits', '8')" in str(error), True)
    else:
        raise AssertionError("connected")


async def refusal(url, **options):
    connecting = connect(url, **options)
    # The library would follow a redirect.
    connecting.process_redirect = lambda error: error
    try:
        ws = await connecting
    except InvalidStatus as error:
        return error.response
    await ws.close()
    raise AssertionError("not refused")


@check("refused with {}", 401, 403, 302)
async def _(status):
    header, value, body = REFUSALS[status]
    response = await refusal(f"{SCRIPT}refuse/{status}")
    same("status", response.status_code, status)
    same(header, response.headers.get(header), value)
    same("body", response.body.decode(), body)


@check("a foreign origin refused with 403")
async def _():
    response = await refusal(STRICT, origin="http://evil.example")
    same("status", response.status_code, 403)
    await echoes("from a good origin", url=STRICT, origin="http://good.example")


@check("close by the client: {}", *CLOSES)
async def _(which):
    code, reason = CLOSES[which]
    seen = code or 1005
    id = next(ids)
    for url in [ECHO, f"{SCRIPT}echo/{id}"]:
        ws = await connect(url)
        await ws.send("before")
        await ws.close(code, reason)
        same("on its way", await ws.recv(), "before")
        end = await closed(ws)
        same("sent", frame(end.sent), (seen, reason))
        # We repeat the code alone.
        same("received", frame(end.rcvd), (seen, ""))
        same("received then sent", end.rcvd_then_sent, False)
    await saw(id, f"Peer clean {seen} {reason}")


@check("close by the server: {}", *CLOSES)
async def _(which):
    code, reason = CLOSES[which]
    seen = code or 1005
    id = next(ids)
    ws = await connect(f"{SCRIPT}script/{id}")
    await ws.send(f"close {code} {reason}" if code else "close")
    end = await closed(ws)
    same("received", frame(end.rcvd), (seen, reason))
    same("received then sent", end.rcvd_then_sent, True)
    # The library repeats the reason too.
    await saw(id, f"Us clean {seen} {reason}")


@check("connection lost by the client")
async def _():
    id = next(ids)
    ws = await connect(f"{SCRIPT}echo/{id}")
    ws.transport.abort()
    await ws.wait_closed()
    await saw(id, "Transport unclean 1006 ")


@check("connection lost by the server")
async def _():
    ws = await connect(f"{SCRIPT}script/{next(ids)}")
    await ws.send("drop")
    end = await closed(ws)
    same("received", end.rcvd, None)
    same("code", ws.close_code, 1006)


@check("message over our limit: 1009")
async def _():
    await echoes(binary(STRICT_SIZE), text(STRICT_SIZE), url=STRICT)
    for message in [binary(STRICT_SIZE + 1), binary(1 << 20), [binary(STRICT_SIZE), b"1"]]:
        ws = await connect(STRICT)
        try:
            await ws.send(message)
        except ConnectionClosed:
            pass  # the server may have hung up in the middle of it
        end = await closed(ws)
        same("received", frame(end.rcvd), (1009, ""))


@check("message over their limit: 1009")
async def _():
    id = next(ids)
    ws = await connect(f"{SCRIPT}echo/{id}", max_size=1000)
    await ws.send(binary(1001))
    end = await closed(ws)
    same("sent", end.sent and end.sent.code, 1009)
    await saw(id, f"Peer clean 1009 {end.sent.reason}")


@check("invalid UTF-8: 1007")
async def _():
    for message in [b"caf\xe9", [b"fine so far", b"\xf0\x9f", b"but not now"], b"cut \xe2\x82"]:
        ws = await connect(ECHO)
        await ws.send(message, text=True)
        end = await closed(ws)
        same("received", frame(end.rcvd), (1007, ""))


async def main():
    for name, function, args in checks:
        try:
            async with asyncio.timeout(LIMIT):
                await function(*args)
        except Exception as error:
            if isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            print(f"not ok - {name}: {type(error).__name__}: {error}", flush=True)
            return 1
        print(f"ok - {name}", flush=True)
    return 0


sys.exit(asyncio.run(main()))
