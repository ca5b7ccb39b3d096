"""Runs `wscat` against a server with another library: server.py documents the paths.

    wscat.py WSCAT URL PROXY [OPTION]...

WSCAT is the program, URL the server (ws://HOST:PORT/), PROXY a proxy with its credentials. The options
are added to each command line. SKIP in the environment: cases for which the server has no command,
separated by commas.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

TIMEOUT = 60  # seconds


def run(args, data=b""):
    done = subprocess.run([wscat, *options, *args], input=data, capture_output=True, timeout=TIMEOUT, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def check(name, args, data, code, out, *texts):
    """One run: its exit status, its output, and texts in its standard error. Returns the outcome."""
    got = run(args, data)
    ok = got[0] == code and (out(got[1]) if callable(out) else got[1] == out) and all(text in got[2] for text in texts)
    name += ", HTTP/2" * ("--http2" in options)
    return f"ok - {name}" if ok else f"not ok - {name}: {got!r}"


def after_parameters(out):
    """The first message of /deflate has the negotiated parameters."""
    return out.count(b"\n") == 2 and out.endswith(b"\nhello\n")


def after_parameters_the_lines(out):
    return out.partition(b"\n")[2] == lines


wscat, url, proxy, *options = sys.argv[1:]
anonymous = "http://" + proxy.rpartition("@")[2]
megabyte = b"x" * (1 << 20) + b"\n"
lines = b"".join(b'{"id": %d, "text": "%s"}\n' % (n, b"hello " * n) for n in range(300))
echo, script = url + "echo/", url + "script/"
# Without --wait, a server that has the Close frame already may drop its answers.
CASES = [
    ("text", ["--wait", "2", echo + "w1"], "héllo\n\ntwo\n".encode(), 0, "héllo\n\ntwo\n".encode()),
    ("binary", ["--binary", "--wait", "2", echo + "w2"], b"\x00\xff\n", 0, b"\x00\xff\n"),
    ("hexadecimal", ["--hex", "--wait", "2", echo + "w3"], b"00 ff 0a\n", 0, b"00ff0a\n"),
    ("1 MiB", ["--wait", "2", "--max-message-size", "1048576", echo + "w4"], megabyte, 0, megabyte),
    ("compressed", ["-v", "--deflate", "--wait", "2", url + "deflate/-,-,-/w5"], b"hello\n", 0, after_parameters, "permessage-deflate"),
    ("300 messages, compressed", ["--deflate", "--wait", "2", url + "deflate/-,-,-/w14"], lines, 0, after_parameters_the_lines),
    ("subprotocol", ["-v", "--subprotocol", "chat.v1", "--wait", "2", echo + "w6"], b"", 0, b"", "chat.v1\n"),
    ("Ping", ["-v", script + "w7"], b"ping hello\n", 0, b"pong hello\n", 'Ping received with "hello"'),
    ("close with 4001", [script + "w8"], b"close 4001 bye \xc3\xa9\n", 3, b"", "code 4001: bye é\n"),
    ("close with 1000", ["--wait", "forever", script + "w9"], b"close 1000 done\n", 0, b""),
    ("dropped", [script + "w10"], b"drop\n", 4, b"", "the connection was lost"),
    ("invalid text", [script + "w11"], b"invalid\n", 4, b"", "UTF-8"),
    ("refused", [url + "refuse/401"], b"", 5, b"", "status 401", "authentication required", "--user"),
    ("redirect", [url + "refuse/302"], b"", 5, b"", "status 302", "ocation: /echo/elsewhere"),
    ("through a proxy", ["-v", "--proxy", proxy, "--wait", "2", echo + "w12"], b"hello\n", 0, b"hello\n", "* tunnel to "),
    ("proxy without credentials", ["--proxy", anonymous, echo + "w13"], b"hello\n", 5, b"", "status 407", "--proxy"),
]

skip = os.environ.get("SKIP", "").split(",")
for name in filter(None, skip):
    print(f"skipped - {name}: the server has no command for it")
# At the same time, because most of them wait for the server.
with ThreadPoolExecutor(4) as pool:
    outcomes = list(pool.map(lambda case: check(*case), (case for case in CASES if case[0] not in skip)))
print(*outcomes, sep="\n", flush=True)
sys.exit(any(outcome.startswith("not ok") for outcome in outcomes))
