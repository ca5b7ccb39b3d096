"""What the clients with the `websockets` library have in common: checks that run one after the
other, connections, and messages."""

import asyncio
import json
import random
import sys

from websockets.asyncio.client import connect as library_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

# The maximum time of a check in seconds, with a margin for a busy machine.
CHECK_TIMEOUT = 30
SIDES = ["server", "client"]

UNICODE = "naïve Ωμέγα 日本語 \U0001f980 \U0010ffff \0"
# A reason of 123 bytes, the maximum.
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
    401: ("WWW-Authenticate", 'Basic realm="interop"', "authentication required\n"),
    403: ("X-Reason", "none", "kein Zutritt für dich\n"),
    302: ("Location", "/echo/elsewhere", "not here\n"),
}

checks = []
ids = iter(range(1, 1000))


def check(name, *variants):
    """Adds a check. With variants, it adds one for each, and {} in the name stands for the variant."""

    def add(function):
        for args in [(variant,) for variant in variants] or [()]:
            checks.append((name.format(*args), function, args))

    return add


def shortened(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"


def check_equal(what, got, expected):
    if got != expected:
        raise AssertionError(f"{what}: {shortened(got)}, not {shortened(expected)}")


def connect(url, **options):
    options = {"compression": None, "max_size": 4 << 20, "ping_interval": None, **options}
    return library_connect(url, proxy=None, close_timeout=CHECK_TIMEOUT / 2, **options)


async def closed(ws):
    """Waits for the end of a connection and returns it."""
    try:
        message = await ws.recv()
    except ConnectionClosed as end:
        return end
    raise AssertionError(f"still open: {shortened(message)}")


def frame(close):
    return close and (close.code, close.reason)


def binary(size):
    # The second factor keeps shifted data from looking right.
    return bytes((i ^ (i >> 8) * 7) & 0xFF for i in range(size))


def text(size):
    text = "0123456789 äöü €\n" * (size // 22)
    return text + "." * (size - len(text.encode()))


def mixed_messages():
    """Returns 200 messages of all kinds and sizes, with repetitions at distances around the size of
    every window."""
    generator = random.Random(7692)
    messages = []
    for n in range(25):
        distance = (1 << 8 + n // 3) + n % 3 - 1
        # Random, so that it has no long repetitions, and of few letters, so that it compresses all
        # the same.
        letters = generator.randbytes(distance // 2 + 1).hex()[:distance]
        messages += [
            ["", b""][n % 2],
            bytes([n]),
            json.dumps({"id": n, "user": f"guest {n}", "text": "hello, world", "tags": [n] * n}),
            UNICODE * (n % 5 + 1),
            generator.randbytes(60 * n),
            letters,
            letters.encode(),
            [text(3500 * n), generator.randbytes(distance) * 2, bytes(range(256)) * 12 * n][n % 3],
        ]
    return messages


MIXED = mixed_messages()


def params(no_takeover, server_bits, client_bits):
    """Returns the parameters in the notation of the paths: the sides without context takeover and the
    window bits; "-" for a parameter that is not set."""
    return f"{'+'.join(no_takeover) or '-'},{server_bits or '-'},{client_bits or '-'}"


def connect_deflate(url, no_takeover=(), server_bits=None, client_bits=True):
    """Opens a connection that offers compression."""
    offer = ClientPerMessageDeflateFactory("server" in no_takeover, "client" in no_takeover, server_bits, client_bits)
    return connect(url, extensions=[offer])


def negotiated(ws):
    """Returns the parameters that the library has read from the response."""
    check_equal("extensions", [extension.name for extension in ws.protocol.extensions], ["permessage-deflate"])
    [deflate] = ws.protocol.extensions
    no_takeover = {"server": deflate.remote_no_context_takeover, "client": deflate.local_no_context_takeover}
    no_takeover = [side for side in SIDES if no_takeover[side]]
    return params(no_takeover, deflate.remote_max_window_bits, deflate.local_max_window_bits)


def count_messages(codec):
    """Counts the compressed messages of an encoder or decoder, and their bytes before and after."""
    counts = [0, 0, 0]

    def counting(frame, **options):
        result = codec(frame, **options)
        if frame.rsv1 or result.rsv1:
            deflated, inflated = (frame, result) if frame.rsv1 else (result, frame)
            counts[:] = counts[0] + 1, counts[1] + len(deflated.data), counts[2] + len(inflated.data)
        return result

    return counting, counts


async def exchange_messages(ws):
    """Exchanges all messages and checks that they were compressed."""
    [deflate] = ws.protocol.extensions
    deflate.encode, sent = count_messages(deflate.encode)
    deflate.decode, received = count_messages(deflate.decode)

    async def send():
        for message in MIXED:
            await ws.send(message)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        for number, message in enumerate(MIXED):
            check_equal(f"echo {number}", await ws.recv(), message)
    # The library compresses all messages. `sockless` compresses those that get smaller, which are
    # two of five with any window.
    check_equal("compressed", sent[0], len(MIXED))
    check_equal(f"enough compressed: {received[0]}", received[0] >= 0.4 * len(MIXED), True)
    for _, deflated, inflated in [sent, received]:
        check_equal(f"smaller: {deflated} bytes of {inflated}", deflated < 0.6 * inflated, True)


async def refusal(url, **options):
    connecting = connect(url, **options)
    # Without this, the library follows redirects.
    connecting.process_redirect = lambda error: error
    try:
        ws = await connecting
    except InvalidStatus as error:
        return error.response
    await ws.close()
    raise AssertionError("not refused")


async def check_refusal(url, status):
    header, value, body = REFUSALS[status]
    response = await refusal(url)
    check_equal("status", response.status_code, status)
    check_equal(header, response.headers.get(header), value)
    check_equal("body", response.body.decode(), body)


async def check_echoes(ws, *messages):
    for message in messages:
        await ws.send(message)
        check_equal("the echo", await ws.recv(), message)


async def check_fragments(ws, is_text):
    whole = "ein € in Stücken, und eines davon leer"
    received = []

    async def fragments():
        # The euro sign is divided between two fragments.
        yield whole.encode()[:5]
        pong = await ws.ping(b"between")
        yield b""
        # The server answers before it has the rest of the message.
        await pong
        received.append("pong")
        yield whole.encode()[5:]

    await ws.send(fragments(), text=is_text)
    check_equal("the echo", await ws.recv(), whole if is_text else whole.encode())
    check_equal("received before the message", received, ["pong"])


async def check_pings(ws):
    for payload in [b"are you there", b"", b"\xff" * 125]:
        # The library waits for the Pong with the same payload.
        await (await ws.ping(payload))


async def check_both_directions(ws):
    """Sends messages that exceed the buffers, so that both directions must work at the same time."""
    data = binary(100_000)

    async def send():
        for n in range(200):
            await ws.send(data + bytes([n]))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        for n in range(200):
            check_equal("in order", await ws.recv(), data + bytes([n]))


# The following take a connection to a server that takes commands, or the URL of that server, which
# ends before the path.


async def check_pings_of_server(ws):
    for payload in ["are you there", "x", "ab" * 62]:
        await ws.send(f"ping {payload}")
        # The server confirms the Pong of the client.
        check_equal("confirmed", await ws.recv(), f"pong {payload}")


async def check_ending(url, id, expected):
    """Checks how the server has seen the end of a connection."""
    async with connect(f"{url}script/{next(ids)}") as ws:
        await ws.send(f"ended {id}")
        check_equal("the ending at the server", await ws.recv(), expected)


async def check_close_by_server(url, which, ending):
    code, reason = CLOSES[which]
    seen = code or 1005
    id = next(ids)
    ws = await connect(f"{url}script/{id}")
    await ws.send(f"close {code} {reason}" if code else "close")
    end = await closed(ws)
    check_equal("received", frame(end.rcvd), (seen, reason))
    check_equal("received then sent", end.rcvd_then_sent, True)
    # The library repeats the reason.
    await check_ending(url, id, f"{ending} {seen} {reason}")


async def check_drop_by_client(url, id, ending):
    ws = await connect(f"{url}echo/{id}")
    ws.transport.abort()
    await ws.wait_closed()
    await check_ending(url, id, ending)


async def check_limit(url, id, ending):
    """Checks a message over the limit of the library."""
    ws = await connect(f"{url}echo/{id}", max_size=1000)
    await ws.send(binary(1001))
    end = await closed(ws)
    check_equal("sent", end.sent and end.sent.code, 1009)
    await check_ending(url, id, f"{ending} 1009 {end.sent.reason}")


async def run_checks():
    for name, function, args in checks:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                await function(*args)
        except Exception as error:
            if isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            print(f"not ok - {name}: {type(error).__name__}: {error}", flush=True)
            return 1
        print(f"ok - {name}", flush=True)
    return 0


def run():
    sys.exit(asyncio.run(run_checks()))
