"""Writes the table of peers in docs/CONFORMANCE.md from the outcomes that `run` has kept.

    table.py write RESULTS PAIRING...
    table.py check PAIRING...          whether the table has these pairings

RESULTS has a file for each pairing, named after it: lines `ok - PAIRING: CHECK`, and `not ok`, `skipped`.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "CONFORMANCE.md"
BEGIN, END = "<!-- tests/interop/run --table: begin -->", "<!-- tests/interop/run --table: end -->"
# Checks that exchange compressed messages, or negotiate compression.
COMPRESSION = re.compile(r"compress|deflate|bits demanded|smaller window", re.IGNORECASE)
UNCOMPRESSED = re.compile(r"not compressed|without compression|not negotiated")


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def number(text):
    return re.search(r"\d+(\.\d+)+", text).group()


def npm_version(name):
    package = Path(output("node", "-p", f"require.resolve({name!r})").strip()).parent / "package.json"
    return json.loads(package.read_text())["version"]


VERSIONS = {
    "ws": lambda: f"npm `ws` {npm_version('ws')}",
    "websockets": lambda: f"Python `websockets` {version('websockets')}",
    "http2": lambda: f"`http2` of Node.js {number(output('node', '--version'))}",
    "http3": lambda: f"Python `aioquic` {version('aioquic')}",
    "yawc": lambda: f"Rust `yawc` {number((HERE / 'yawc' / 'Cargo.toml').read_text().partition('yawc = ')[2])}",
    "nginx": lambda: f"nginx {number(output('/usr/sbin/nginx', '-v'))}",
    "haproxy": lambda: f"HAProxy {number(output('/usr/sbin/haproxy', '-v'))}",
    "apache": lambda: f"Apache {number(output('/usr/sbin/apache2', '-v'))}",
    "nghttpx": lambda: f"nghttpx {number(output('/usr/sbin/nghttpx', '-v'))}",
    "squid": lambda: f"Squid {number(output('/usr/sbin/squid', '-v'))}",
    "tinyproxy": lambda: f"tinyproxy {number(output('tinyproxy', '-v'))}",
}


def describe(pairing):
    """Returns the peer, its role, the program of sockless, and the transport."""
    base, _, via = pairing.partition("-via-")
    proxy, _, behind = via.partition("-")
    if "-to-" in base:
        client, server = base.split("-to-")
        peers = f"{VERSIONS[client]()}; {VERSIONS[server]()}"
        return peers, "client; server", "proxy of `examples/applications`", "direct, on both sides"
    library, role = base.split("-", 1)
    name = VERSIONS[library]()
    program = "`wscat`" if role == "wscat" else "server" if role == "client" else "client"
    role = "server" if role == "wscat" else role
    if library == "http3":
        return name, role, program, "HTTP/3"
    http = "HTTP/2" if library == "http2" or base.endswith("wscat") and proxy in ("haproxy", "nghttpx") else "HTTP/1.1"
    if library == "yawc":
        http = "HTTP/1.1; HTTP/2"
    if not via:
        return name, role, program, f"{http}, direct"
    if proxy in ("tinyproxy", "squid"):
        return name, role, program, f"{http}, through CONNECT of {VERSIONS[proxy]()}"
    tls = " over TLS" if behind == "tls" or base.endswith("wscat") else ""
    after = "HTTP/2" if behind == "http2" else "HTTP/1.1"
    return name, role, program, f"{http}{tls} to {VERSIONS[proxy]()}, {after} behind it"


def row(results, pairing):
    outcomes, compressed = Counter(), 0
    for line in (results / pairing).read_text().splitlines():
        outcome, _, check = line.partition(" - ")
        outcomes[outcome] += 1
        compressed += outcome == "ok" and bool(COMPRESSION.search(check)) and not UNCOMPRESSED.search(check)
    failed = outcomes["not ok"]
    result = f"{failed} failed" if failed else "passed"
    cells = [f"`{pairing}`", *describe(pairing), outcomes["ok"], compressed, result]
    return "| " + " | ".join(map(str, cells)) + " |\n"


def write(results, *pairings):
    page = PAGE.read_text()
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    assert begin and end, f"{PAGE} has no place for the table"
    table = "| pairing | peer | its role | sockless | transport | checks passed | of them with compression | result |\n"
    table += "|---|---|---|---|---|---|---|---|\n"
    table += "".join(row(Path(results), pairing) for pairing in pairings)
    PAGE.write_text(f"{head}{begin}\n{table}{end}{tail}")


def check(*pairings):
    table = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    listed = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    if listed != list(pairings):
        sys.exit(f"{PAGE.name} is out of date: tests/interop/run --table. Differences: {set(listed) ^ set(pairings)}")


{"write": write, "check": check}[sys.argv[1]](*sys.argv[2:])
