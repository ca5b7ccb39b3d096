"""A client with the `websockets` library against servers with `sockless` (see run).

client.py ECHO STRICT SCRIPT DEFLATE LIMITED
"""

import itertools
import os
import sys

from websockets.exceptions import ConnectionClosed

from harness import CLOSES, SIDES, UNICODE
from harness import binary, check, check_equal, closed, connect, frame, ids, refusal, run, text
from harness import connect_deflate, exchange_messages, negotiated, params
from harness import check_both_directions, check_close_by_server, check_drop_by_client, check_echoes, check_ending
from harness import check_fragments, check_limit, check_pings, check_pings_of_server, check_refusal

ECHO, STRICT, SCRIPT, DEFLATE, LIMITED = sys.argv[1:]
STRICT_SIZE = 65536


async def echoes(*messages, url=ECHO, **options):
    async with connect(url, **options) as ws:
        await check_echoes(ws, *messages)
    check_equal("closed with", (ws.close_code, ws.close_reason), (1000, ""))


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


@check("fragmented {} with a Ping between", "text", "binary")
async def _(kind):
    async with connect(ECHO) as ws:
        await check_fragments(ws, is_text=kind == "text")


@check("many small fragments")
async def _():
    async with connect(ECHO) as ws:
        for message in [text(300_000), binary(300_001)]:
            await ws.send(message[i : i + 1000] for i in range(0, len(message), 1000))
            check_equal("the echo", await ws.recv(), message)


@check("fragments from the server")
async def _():
    async with connect(STRICT) as ws:
        for message in [text(10_000), binary(10_001)]:
            await ws.send(message)
            fragments = [fragment async for fragment in ws.recv_streaming()]
            check_equal("the echo", message[:0].join(fragments), message)
            check_equal("more than one fragment", len([fragment for fragment in fragments if fragment]) >= 10, True)


@check("fragments from the server with a Ping between")
async def _():
    async with connect(f"{SCRIPT}script/{next(ids)}") as ws:
        await ws.send("fragments")
        fragments = [fragment async for fragment in ws.recv_streaming(decode=False)]
        check_equal("fragments", fragments, [b"three \xe2", b"\x82\xac in frag", b"ments"])


@check("Pings by the client")
async def _():
    async with connect(ECHO) as ws:
        await check_pings(ws)


@check("Pings by the server")
async def _():
    async with connect(f"{SCRIPT}script/{next(ids)}") as ws:
        await check_pings_of_server(ws)


@check("200 messages without waiting for the echoes")
async def _():
    messages = [binary(n) if n % 2 else f"{n}: {'é' * n}" for n in range(200)]
    async with connect(ECHO) as ws:
        for message in messages:
            await ws.send(message)
        for message in messages:
            check_equal("in order", await ws.recv(), message)


@check("200 messages from another task")
async def _():
    async with connect(ECHO) as ws:
        await check_both_directions(ws)


@check("subprotocol: the server's preference")
async def _():
    for offers in [["chat.v1", "chat.v2"], ["other", "chat.v2", "chat.v1"]]:
        async with connect(STRICT, subprotocols=offers) as ws:
            check_equal("chosen", ws.subprotocol, "chat.v2")
    async with connect(STRICT, subprotocols=["chat.v1"]) as ws:
        check_equal("chosen of one", ws.subprotocol, "chat.v1")


@check("subprotocol: none in common")
async def _():
    for url, offers in [(STRICT, None), (STRICT, ["other"]), (ECHO, ["chat.v1"])]:
        async with connect(url, subprotocols=offers) as ws:
            check_equal("chosen", ws.subprotocol, None)


@check("permessage-deflate offered, not negotiated")
async def _():
    async with connect(ECHO, compression="deflate") as ws:
        check_equal("offered", "permessage-deflate" in ws.request.headers["Sec-WebSocket-Extensions"], True)
        check_equal("extensions", ws.response.headers.get("Sec-WebSocket-Extensions"), None)
        await check_echoes(ws, "a" * 1000)


def combinations():
    """Yields all negotiable parameters, requested by either side: the settings of the server, the
    offer, and the negotiated parameters."""
    for flags, server, client in itertools.product(range(4), range(8, 16), range(9, 16)):
        no_takeover = [side for bit, side in enumerate(SIDES) if flags >> bit & 1]
        requested = no_takeover, server, client
        larger = no_takeover, min(server + 1, 15), min(client + 1, 15)
        yield [
            ("the client", ((), None, None), requested, requested),
            # The server uses a smaller window without a parameter in the response.
            ("the server", requested, ((), None, True), (no_takeover, 15, client)),
            ("both, the client with smaller windows", larger, requested, requested),
            # A window of 8 bits is announced as 9, if the client has not said 8.
            ("both, the server with smaller windows", requested, larger, (no_takeover, max(server, 9), client)),
        ][(flags + server + client) % 4], requested


# With 17, one of 17 combinations of the parameters of compression is checked.
EVERY = int(os.environ.get("EVERY", "1"))
for (by, server, offer, expected), requested in itertools.islice(combinations(), 0, None, EVERY):

    @check(f"compressed with {params(*requested)}, requested by {by}")
    async def _(server=server, offer=offer, expected=expected):
        url = f"{SCRIPT}deflate/{params(*server)}" if any(server) else DEFLATE
        async with connect_deflate(url, *offer) as ws:
            check_equal("negotiated", negotiated(ws), params(*expected))
            await exchange_messages(ws)


@check("compressed with all the echo server's options")
async def _():
    async with connect_deflate(LIMITED) as ws:
        check_equal("negotiated", negotiated(ws), "server+client,15,11")
        await exchange_messages(ws)
    async with connect_deflate(LIMITED, server_bits=15) as ws:
        check_equal("negotiated", negotiated(ws), "server+client,10,11")


@check("compressed without client_max_window_bits in the offer")
async def _():
    async with connect_deflate(DEFLATE, client_bits=None) as ws:
        check_equal("negotiated", negotiated(ws), "-,15,15")
        await exchange_messages(ws)


@check("not compressed if the offer has no client_max_window_bits and the server demands it")
async def _():
    async with connect_deflate(LIMITED, client_bits=None) as ws:
        check_equal("extensions", ws.protocol.extensions, [])
        check_equal("in the response", ws.response.headers.get("Sec-WebSocket-Extensions"), None)
        await check_echoes(ws, "a" * 1000)


@check("8 bits demanded from the client: announced as 9")
async def _():
    # zlib has no raw deflater for 8 bits, and the library fails on such a response.
    async with connect_deflate(f"{SCRIPT}deflate/-,-,8") as ws:
        check_equal("negotiated", negotiated(ws), "-,15,9")
        await exchange_messages(ws)


@check("refused with {}", 401, 403, 302)
async def _(status):
    await check_refusal(f"{SCRIPT}refuse/{status}", status)


@check("another origin refused with 403")
async def _():
    response = await refusal(STRICT, origin="http://evil.example")
    check_equal("status", response.status_code, 403)
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
        check_equal("echoed", await ws.recv(), "before")
        end = await closed(ws)
        check_equal("sent", frame(end.sent), (seen, reason))
        # The server repeats the code without the reason.
        check_equal("received", frame(end.rcvd), (seen, ""))
        check_equal("received then sent", end.rcvd_then_sent, False)
    # Which side closed, clean or not, the code, the reason.
    await check_ending(SCRIPT, id, f"Peer clean {seen} {reason}")


@check("close by the server: {}", *CLOSES)
async def _(which):
    await check_close_by_server(SCRIPT, which, "Us clean")


@check("dropped by the client without a Close frame")
async def _():
    await check_drop_by_client(SCRIPT, next(ids), "Transport unclean 1006 ")


@check("dropped by the server without a Close frame")
async def _():
    ws = await connect(f"{SCRIPT}script/{next(ids)}")
    await ws.send("drop")
    end = await closed(ws)
    check_equal("received", end.rcvd, None)
    check_equal("code", ws.close_code, 1006)


@check("message over the limit of sockless: 1009")
async def _():
    await echoes(binary(STRICT_SIZE), text(STRICT_SIZE), url=STRICT)
    messages = [binary(STRICT_SIZE + 1), [binary(STRICT_SIZE), b"1"]]
    # The server ends its side while much is on the way to it. A proxy may give up both sides then.
    if not os.environ.get("VIA"):
        messages.append(binary(1 << 20))
    for message in messages:
        ws = await connect(STRICT)
        try:
            await ws.send(message)
        except ConnectionClosed:
            pass  # the server may close the transport while the message is sent
        end = await closed(ws)
        check_equal("received", frame(end.rcvd), (1009, ""))


@check("message over the limit of the library: 1009")
async def _():
    await check_limit(SCRIPT, next(ids), "Peer clean")


@check("invalid UTF-8: 1007")
async def _():
    for message in [b"caf\xe9", [b"valid so far", b"\xf0\x9f", b"then invalid"], b"cut \xe2\x82"]:
        ws = await connect(ECHO)
        await ws.send(message, text=True)
        end = await closed(ws)
        check_equal("received", frame(end.rcvd), (1007, ""))


run()
