"""A server with the `websockets` library for the client with `sockless`.

* /echo/ID echoes.
* /deflate/SETTINGS/ID echoes with compression. Its first message has the negotiated parameters. The
  settings, separated by commas, are: the sides without context takeover (`server`, `client`,
  `server+client`), the window bits of the server, and those of the client. `-` stands for not set.
* /script/ID executes the commands in text messages: `ping PAYLOAD`, `fragments`, `binary SIZE`,
  `invalid`, `close [CODE [REASON]]`, `drop`, and `ended ID`, which returns how the connection with
  that ID ended at this server.
* /refuse/STATUS refuses the handshake.
"""

import asyncio
from collections import defaultdict

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

TIMEOUT = 10  # seconds
SUBPROTOCOLS = ["chat.v2", "chat.v1"]  # in the order of preference
REFUSALS = {
    "401": ("authentication required\n", "WWW-Authenticate", 'Basic realm="interop"'),
    "403": ("kein Zutritt für dich\n", "X-Reason", "none"),
    "302": ("not here\n", "Location", "/echo/elsewhere"),
}

endings = defaultdict(lambda: asyncio.get_running_loop().create_future())


def path(request):
    _, name, argument = request.path.split("/", 2)
    return name, argument


def settings(text):
    no_takeover, *bits = text.split(",")
    bits = [None if value == "-" else int(value) for value in bits]
    return ServerPerMessageDeflateFactory("server" in no_takeover, "client" in no_takeover, *bits)


def negotiated(ws):
    if not ws.protocol.extensions:
        return "nothing"
    [deflate] = ws.protocol.extensions
    no_takeover = {"server": deflate.local_no_context_takeover, "client": deflate.remote_no_context_takeover}
    no_takeover = "+".join(side for side in no_takeover if no_takeover[side])
    return f"{no_takeover or '-'},{deflate.local_max_window_bits},{deflate.remote_max_window_bits}"


def process_request(ws, request):
    name, argument = path(request)
    if name == "deflate":
        # The library has one setting for all connections, and reads it after this function.
        ws.protocol.available_extensions = [settings(argument.partition("/")[0])]
    if name != "refuse":
        return None
    if argument not in REFUSALS:
        return ws.respond(501, "the library has no chunked responses\n")
    body, header, value = REFUSALS[argument]
    response = ws.respond(int(argument), body)
    response.headers[header] = value
    return response


def select_subprotocol(ws, offered):
    return next((name for name in SUBPROTOCOLS if name in offered), None)


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def fragments(ws):
    # The euro sign is divided between two fragments.
    yield b"three \xe2"
    await ws.ping(b"between")
    yield b"\x82\xac in frag"
    yield b"ments"


async def script(ws):
    async for command in ws:
        command, _, argument = command.partition(" ")
        if command == "ping":
            async with asyncio.timeout(TIMEOUT):
                await (await ws.ping(argument))
            await ws.send(f"pong {argument}")
        elif command == "fragments":
            await ws.send(fragments(ws), text=True)
        elif command == "binary":
            await ws.send(bytes(int(argument)))
        elif command == "invalid":
            await ws.send(b"caf\xe9", text=True)
        elif command == "close":
            code, _, reason = argument.partition(" ")
            await ws.close(int(code) if code else None, reason)
        elif command == "drop":
            ws.transport.abort()
        elif command == "ended":
            async with asyncio.timeout(TIMEOUT):
                await ws.send(await endings[argument])
        else:
            await ws.close(1008, f"no such command: {command}")


async def handler(ws):
    name, argument = path(ws.request)
    try:
        if name == "deflate":
            await ws.send(negotiated(ws))
        await (script if name == "script" else echo)(ws)
    except ConnectionClosed:
        pass
    await ws.wait_closed()
    is_clean = ws.protocol.close_rcvd and ws.protocol.close_sent
    endings[argument].set_result(f"{'clean' if is_clean else 'unclean'} {ws.close_code} {ws.close_reason}")


async def main():
    server = await serve(
        handler,
        "127.0.0.1",
        0,
        process_request=process_request,
        select_subprotocol=select_subprotocol,
        compression=None,
        max_size=2 << 20,
        ping_interval=None,
        close_timeout=TIMEOUT,
    )
    host, port = server.sockets[0].getsockname()
    print(f"listening on ws://{host}:{port}/", flush=True)
    await server.serve_forever()


asyncio.run(main())
