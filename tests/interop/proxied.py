"""A client with the `websockets` library, through the proxy of examples/applications, against server.js
or server.py (see run): proxied.py URL

Each connection has a path of its own, by which tap.py finds it on the other side of the proxy,
with `interrupted` in it if it may end without a closing handshake.
"""

import sys
from contextlib import asynccontextmanager

from harness import CLOSES, UNICODE
from harness import binary, check, check_equal, closed, connect, frame, ids, run, text
from harness import connect_deflate, exchange_messages, negotiated, params
from harness import check_both_directions, check_close_by_server, check_drop_by_client, check_echoes, check_ending
from harness import check_fragments, check_limit, check_pings, check_pings_of_server, check_refusal

[URL] = sys.argv[1:]
WAYS = ["not compressed", "compressed"]
# The size of a message that the servers refuse.
TOO_LARGE = (2 << 20) + 1


@asynccontextmanager
async def open_echo(way):
    """Opens a connection to an echo, and checks that both ends have negotiated the same parameters."""
    if way == "not compressed":
        async with connect(f"{URL}echo/{next(ids)}") as ws:
            check_equal("extensions", ws.protocol.extensions, [])
            yield ws
    else:
        async with connect_deflate(f"{URL}deflate/-,-,-/{next(ids)}") as ws:
            check_equal("at the server", await ws.recv(), negotiated(ws))
            yield ws
    check_equal("closed with", (ws.close_code, ws.close_reason), (1000, ""))


@check("text and binary, {}", *WAYS)
async def _(way):
    async with open_echo(way) as ws:
        await check_echoes(ws, "hello", UNICODE, "", binary(256), b"", "the end")


@check("sizes around those of the headers, {}", *WAYS)
async def _(way):
    sizes = [125, 126, 127, 65535, 65536]
    async with open_echo(way) as ws:
        await check_echoes(ws, *map(binary, sizes), *map(text, sizes))


@check("1 MiB of text and of binary, {}", *WAYS)
async def _(way):
    async with open_echo(way) as ws:
        await check_echoes(ws, text(1 << 20), binary(1 << 20))


@check("fragments with a Ping between, {}", *WAYS)
async def _(way):
    async with open_echo(way) as ws:
        for is_text in [True, False]:
            await check_fragments(ws, is_text)


@check("Pings by the client, {}", *WAYS)
async def _(way):
    async with open_echo(way) as ws:
        await check_pings(ws)


@check("200 messages of 100 kB from another task, {}", *WAYS)
async def _(way):
    async with open_echo(way) as ws:
        await check_both_directions(ws)


@check("fragments from the server with a Ping between")
async def _():
    async with connect(f"{URL}script/{next(ids)}") as ws:
        await ws.send("fragments")
        fragments = [fragment async for fragment in ws.recv_streaming(decode=False)]
        check_equal("the message", b"".join(fragments).decode(), "three € in fragments")
        check_equal("fragments", len(fragments), 3)


@check("Pings by the server")
async def _():
    async with connect(f"{URL}script/{next(ids)}") as ws:
        await check_pings_of_server(ws)


# The settings of the server, the offer, and the negotiated parameters.
for settings, offer, expected in [
    (((), None, None), ((), None, True), ((), None, None)),
    (((), 10, 11), ((), 12, 13), ((), 10, 11)),
    ((("server",), None, None), ((), 15, 15), (("server",), 15, 15)),
    (((), None, None), (("server", "client"), 9, 9), (("server", "client"), 9, 9)),
]:

    @check(f"compressed: {params(*settings)} and the offer {params(*offer)}")
    async def _(settings=settings, offer=offer, expected=expected):
        async with connect_deflate(f"{URL}deflate/{params(*settings)}/{next(ids)}", *offer) as ws:
            parameters = negotiated(ws)
            no_takeover, *bits = parameters.split(",")
            check_equal("no takeover", no_takeover, "+".join(expected[0]) or "-")
            for got, wanted in zip(bits, expected[1:]):
                check_equal("window bits", got, got if wanted is None else str(wanted))
            check_equal("at the server", await ws.recv(), parameters)
            await exchange_messages(ws)


@check("compression offered, and not negotiated")
async def _():
    async with connect(f"{URL}echo/{next(ids)}", compression="deflate") as ws:
        check_equal("extensions", ws.protocol.extensions, [])
        await check_echoes(ws, "a" * 1000)


@check("subprotocols")
async def _():
    for offers, chosen in [(["other", "chat.v1", "chat.v2"], "chat.v2"), (["chat.v1"], "chat.v1"), (None, None)]:
        async with connect(f"{URL}echo/{next(ids)}", subprotocols=offers) as ws:
            check_equal("chosen", ws.subprotocol, chosen)


@check("refused with {}", 401, 403, 302)
async def _(status):
    await check_refusal(f"{URL}refuse/{status}", status)


@check("close by the client: {}", *CLOSES)
async def _(which):
    code, reason = CLOSES[which]
    seen = code or 1005
    id = next(ids)
    ws = await connect(f"{URL}echo/{id}")
    await check_echoes(ws, "before")
    await ws.close(code, reason)
    end = await closed(ws)
    # The server repeats the code and the reason.
    check_equal("received", frame(end.rcvd), (seen, reason))
    check_equal("received then sent", end.rcvd_then_sent, False)
    await check_ending(URL, id, f"clean {seen} {reason}")


@check("close by the server: {}", *CLOSES)
async def _(which):
    await check_close_by_server(URL, which, "clean")


@check("dropped by the client: 1001 for the server")
async def _():
    await check_drop_by_client(URL, f"interrupted-{next(ids)}", "clean 1001 ")


@check("dropped by the server: 1014 for the client")
async def _():
    ws = await connect(f"{URL}script/interrupted-{next(ids)}")
    await ws.send("drop")
    end = await closed(ws)
    check_equal("received", frame(end.rcvd), (1014, ""))


@check("invalid UTF-8 of the client: 1007 of the server")
async def _():
    ws = await connect(f"{URL}echo/interrupted-{next(ids)}")
    await ws.send(b"caf\xe9", text=True)
    end = await closed(ws)
    check_equal("received", end.rcvd and end.rcvd.code, 1007)


@check("a message over the limit of the server: 1009")
async def _():
    ws = await connect(f"{URL}echo/interrupted-{next(ids)}")
    await ws.send(binary(TOO_LARGE))
    end = await closed(ws)
    check_equal("received", end.rcvd and end.rcvd.code, 1009)


@check("a message over the limit of the client: 1009")
async def _():
    await check_limit(URL, f"interrupted-{next(ids)}", "clean")


run()
