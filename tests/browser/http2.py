"""Tests WebSockets over HTTP/2 and HTTP/1.1 on one TLS port: headless Chromium, or headless Firefox
with the argument `firefox`, and `serve` of examples/http2 (see run).

Chromium opens a WebSocket over HTTP/2 if it has an HTTP/2 connection to the same host already, as
the page makes it, and over HTTP/1.1 otherwise.
"""

import base64
import os
import re
import shlex
import sys

import chat
import deflate
from chat import Failure, wait_until
from firefox import Firefox

# The certificate is made by the server and known to nobody.
chat.FLAGS.append("--ignore-certificate-errors")
# The WebSocket of a page that is left would stay open for as long as the browser keeps the page.
chat.FLAGS.append("--disable-features=BackForwardCache")
MANY = 20
# Opens many WebSockets at once, exchanges a message on each, and closes them.
MANY_SCRIPT = """
    const [url, number, done] = arguments;
    const one = (n) => new Promise((resolve) => {
        const ws = new WebSocket(url);
        const text = `message ${n} `.repeat(1000);
        let echo;
        ws.onopen = () => ws.send(text);
        ws.onmessage = ({ data }) => { echo = data; ws.close(1000); };
        ws.onclose = ({ code, wasClean }) => resolve([code, wasClean, echo === text]);
    });
    Promise.all(Array.from({ length: number }, (_, n) => one(n))).then(done);
"""
# Opens a WebSocket, and returns how it was closed.
REFUSED_SCRIPT = """
    const [url, done] = arguments;
    new WebSocket(url).onclose = ({ code, wasClean }) => done([code, wasClean]);
"""
LOG_SCRIPT = "return Array.from(document.querySelectorAll('#log > li'), (li) => li.textContent)"


class Test(chat.Test):
    def start_serve(self):
        command = shlex.split(os.environ.get("SERVE", ""))
        if not command:
            command = ["target/http2/debug/serve"]
        server = chat.Program(command + ["--listen", "127.0.0.1:0"])
        self.servers.append(server)
        return server, int(server.wait_line(r"^listening on https://127\.0\.0\.1:(\d+)/$")[1])

    def run_script(self, script, *args):
        return self.browser.call("POST", "/execute/async", {"script": script, "args": list(args)})

    def load(self, url):
        self.browser.call("POST", "/url", {"url": url})
        protocol = self.script("return performance.getEntriesByType('navigation')[0].nextHopProtocol")
        if protocol != "h2":
            raise Failure(f"the page was loaded over {protocol}")

    def script(self, text):
        return self.browser.call("POST", "/execute/sync", {"script": text, "args": []})

    def check_page(self, port):
        """The page opens a WebSocket and sends what is typed."""
        self.load(f"https://127.0.0.1:{port}/")
        wait_until("open", lambda: "open, extensions: permessage-deflate" in self.script(LOG_SCRIPT))
        self.script("document.querySelector('button').click()")
        wait_until("echoed", lambda: "echo: hello" in self.script(LOG_SCRIPT))

    def opened(self, server, since):
        """The versions and connections of the WebSockets that were opened."""
        pattern = re.compile(r"^(HTTP/\S+) on connection (\d+): a WebSocket is opened$")
        return [match.groups() for line in server.lines[since:] if (match := pattern.match(line))]

    def wait_closed(self, server, since, number):
        """Waits until the server has seen this many WebSockets close with code 1000."""
        wait_until(
            f"{number} closed with 1000 in {server.lines[since:]}",
            lambda: sum("closed the connection with code 1000" in line for line in server.lines[since:]) == number,
        )

    def check_messages(self, server, host, port, version):
        since = len(server.lines)
        messages = [data if isinstance(data, str) else [base64.b64encode(data).decode()] for data in deflate.MESSAGES]
        result = self.run_script(deflate.SCRIPT, f"wss://{host}:{port}/echo", messages)
        if (result["code"], result["wasClean"]) != (1000, True):
            raise Failure(f"closed with {result['code']} after {len(result['echoes'])} messages")
        echoes = [echo if isinstance(echo, str) else base64.b64decode(echo[0]) for echo in result["echoes"]]
        if echoes != deflate.MESSAGES:
            raise Failure("the echoes are not the messages")
        if not result["extensions"].startswith("permessage-deflate"):
            raise Failure(f"the extensions are {result['extensions']!r}")
        self.wait_closed(server, since, 1)
        versions = [opened for opened, _ in self.opened(server, since)]
        if versions != [version]:
            raise Failure(f"opened over {versions}")

    def check_many(self, server, port):
        since = len(server.lines)
        results = self.run_script(MANY_SCRIPT, f"wss://127.0.0.1:{port}/echo", MANY)
        if results != [[1000, True, True]] * MANY:
            raise Failure(f"the results are {results}")
        self.wait_closed(server, since, MANY)
        opened = self.opened(server, since)
        if len(opened) != MANY or len(set(opened)) != 1 or opened[0][0] != "HTTP/2.0":
            raise Failure(f"opened over {opened}")

    def check_refused(self, server, port):
        since = len(server.lines)
        result = self.run_script(REFUSED_SCRIPT, f"wss://127.0.0.1:{port}/echo")
        if result != [1006, False]:
            raise Failure(f"closed with {result}")
        wait_until("the server refuses", lambda: any(": refused: " in line for line in server.lines[since:]))

    def check_left(self, server, since):
        """Chromium resets the stream, and may send a Close frame with 1001 before."""
        pattern = re.compile("closed the connection with code 1001|the transport ended before the closing handshake")
        wait_until(
            f"an end in {server.lines[since:]}",
            lambda: any(pattern.search(line) for line in server.lines[since:]),
        )

    def run(self):
        check = self.check
        server, port = check("a server with TLS", self.start_serve)
        self.start_browser()
        self.check_all(server, port)

    def choose_http_1(self):
        """Makes the browser use HTTP/1.1 for a host that it is not connected to. Chromium does so."""

    def check_all(self, server, port):
        check = self.check
        check("the page is loaded over HTTP/2, and its WebSocket opens", self.check_page, port)
        since = len(server.lines)
        check("another page", self.load, f"https://127.0.0.1:{port}/none")
        check("the server sees the end of the WebSocket of the first page", self.check_left, server, since)
        check(
            "messages over HTTP/2, compressed, closed by the page", self.check_messages, server, "127.0.0.1", port,
            "HTTP/2.0",
        )
        check(f"{MANY} WebSockets on one HTTP/2 connection", self.check_many, server, port)
        self.choose_http_1()
        check(
            "messages over HTTP/1.1, compressed, closed by the page", self.check_messages, server, "localhost", port,
            "HTTP/1.1",
        )
        _, other = check("another server", self.start_serve)
        check("a page of the other server", self.load, f"https://127.0.0.1:{other}/none")
        check("a page of another origin is refused", self.check_refused, server, port)


class FirefoxTest(Test):
    def start_browser(self):
        self.browser = Firefox(self.profile, self.servers)

    def choose_http_1(self):
        self.browser.set_preference("network.http.http2.websockets", False)


if __name__ == "__main__":
    sys.exit(chat.main(FirefoxTest if sys.argv[1:] == ["firefox"] else Test))
