"""Tests examples/chat in headless Chromium, which chromedriver controls (see run)."""

import http.client
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

WAIT = 20  # maximum time of a condition, in seconds
REQUEST_TIMEOUT = 60  # maximum time of a WebDriver command in seconds; one starts the browser
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of element references in WebDriver
FLAGS = [
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Only one of the two windows has the focus. The timers of the other must not be throttled.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
]


class Failure(Exception):
    pass


def wait_until(description, probe, seconds=WAIT):
    """Polls until the probe returns a true value. Returns that value."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds} s: {description}")
        time.sleep(0.05)


class Program:
    """A child process. Its output is collected."""

    def __init__(self, command, env=None):
        self.command = command
        self.lines = []
        self.process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_line(self, pattern):
        """Waits for the first line of the output that matches."""

        def probe():
            for line in list(self.lines):
                if match := re.search(pattern, line):
                    return match
            if self.process.poll() is not None:
                raise Failure(f"{shlex.join(self.command)}: exited with status {self.process.returncode}")

        return wait_until(f"a line that matches {pattern!r} from {shlex.join(self.command)}", probe)

    def kill(self):
        """Kills the process and its children. Killing only chromedriver would not end Chromium."""
        if self.process.returncode is None:  # not waited for yet, so the id is still valid
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


class Browser:
    """A WebDriver session."""

    def __init__(self, port, profile):
        self.port = port
        self.base = ""
        flags = FLAGS + [f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # Chromium's sandbox refuses to start as root
        options = {"args": flags, "binary": shutil.which("chromium")}
        session = self.call(
            "POST",
            "/session",
            {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}},
        )
        self.base = "/session/" + session["sessionId"]

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_TIMEOUT)
        try:
            data = None if method != "POST" else json.dumps(body or {})
            connection.request(method, self.base + path, data, {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise Failure(f"{method} {path}: {value['error']}: {value['message']}")
        return value


class Page:
    """A window with the chat page."""

    def __init__(self, name, browser, handle, url):
        self.name, self.browser, self.handle = name, browser, handle
        self._call("POST", "/url", {"url": url})

    def _call(self, method, path, body=None):
        self.browser.call("POST", "/window", {"handle": self.handle})
        return self.browser.call(method, path, body)

    def script(self, text):
        return self._call("POST", "/execute/sync", {"script": text, "args": []})

    def log(self):
        return self.script("return Array.from(document.querySelectorAll('#log > li'), li => li.textContent)")

    def status(self):
        return self.script("return document.getElementById('status').textContent")

    def can_send(self):
        return self.script("return !document.getElementById('send').disabled")

    def _element(self, css):
        return self._call("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]

    def type(self, text):
        """Inserts text into the message field. It sends no key strokes, because chromedriver may not
        support them for characters outside the Basic Multilingual Plane."""
        self._call("POST", f"/element/{self._element('#message')}/click")
        self._call("POST", "/goog/cdp/execute", {"cmd": "Input.insertText", "params": {"text": text}})

    def press_enter(self):
        self._call("POST", f"/element/{self._element('#message')}/value", {"text": "\ue007"})

    def click_send(self):
        self._call("POST", f"/element/{self._element('#send')}/click")

    def wait_status(self, word):
        wait_until(f"{self.name}: status {word!r}", lambda: word in self.status().split())

    def wait_line(self, pattern, after=0):
        """Waits for a line, after the given number of lines, that matches as a whole."""

        def probe():
            matches = (re.fullmatch(pattern, line, re.DOTALL) for line in self.log()[after:])
            return next((match for match in matches if match), None)

        return wait_until(f"{self.name}: a line that matches {pattern}", probe)

    def close(self):
        self._call("DELETE", "/window")


class Test:
    def __init__(self, profile):
        self.profile = profile
        self.passed = 0
        self.servers = []
        self.driver = self.browser = None
        self.pages = []

    def check(self, name, body, *args):
        """Runs a check. A failure has the name of the check."""
        try:
            value = body(*args)
        except Failure as failure:
            raise Failure(f"{name}: {failure}") from failure
        self.passed += 1
        print(f"ok - {name}", flush=True)
        return value

    def start_server(self, port):
        command = os.environ.get("CHAT")
        if command:
            command = shlex.split(command)
        else:
            command = [os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release/examples/chat")]
        server = Program(command + ["--listen", f"127.0.0.1:{port}"])
        self.servers.append(server)
        ready = server.wait_line(r"^chat: open (http://127\.0\.0\.1:(\d+)/)$")
        return ready[1], int(ready[2])

    def start_browser(self):
        # Chromium writes files in these directories. They are deleted with the profile.
        env = dict(os.environ, HOME=self.profile, TMPDIR=self.profile)
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            env.pop(name, None)
        self.driver = Program([shutil.which("chromedriver") or "chromedriver", "--port=0"], env)
        port = int(self.driver.wait_line(r"started successfully on port (\d+)")[1])
        self.browser = Browser(port, os.path.join(self.profile, "user-data"))

    def open_page(self, name, url):
        if self.pages:
            handle = self.browser.call("POST", "/window/new", {"type": "window"})["handle"]
        else:
            handle = self.browser.call("GET", "/window")
        page = Page(name, self.browser, handle, url)
        self.pages.append(page)
        page.wait_status("connected")
        return page

    def send_message(self, sender, others, text, send):
        """Sends a message. Checks that all pages show the same line, and returns it."""
        pages = [sender] + others
        line_counts = [len(page.log()) for page in pages]
        sender.type(text)
        send()
        lines = [
            page.wait_line(r"guest \d+: " + re.escape(text), after)[0]
            for page, after in zip(pages, line_counts)
        ]
        if len(set(lines)) != 1:
            raise Failure(f"the pages show different lines: {lines}")
        return lines[0]

    def check_name(self, guest, line):
        if not line.startswith(guest + ": "):
            raise Failure(f"the message of {guest} is shown as {line!r}")

    def check_markup(self, sender, other):
        self.send_message(sender, [other], "<b>bold</b> <img src=x> &amp;", sender.click_send)
        for page in (sender, other):
            if page.script("return document.querySelectorAll('#log b, #log img').length"):
                raise Failure(f"{page.name}: the markup in the message created elements")

    def stop_server(self, page):
        page.script(
            """const Real = WebSocket;
            window.attempts = [];
            window.WebSocket = class extends Real {
                constructor(...args) { super(...args); attempts.push(performance.now()); }
            };"""
        )
        self.servers[-1].kill()
        page.wait_status("reconnecting")

    def check_sending_is_disabled(self, page):
        if page.can_send():
            raise Failure("the Send button is enabled")
        page.type("draft")
        page.press_enter()
        draft = page.script("return document.getElementById('message').value")
        if draft != "draft":
            raise Failure(f"the message field contains {draft!r} instead of the text")
        page.script("document.getElementById('message').value = ''")

    def check_retries(self, page):
        wait_until("a second attempt to connect", lambda: page.script("return attempts.length") >= 2)

    def check_delay_after_second_stop(self, page):
        page.script("attempts.length = 0; window.stopped = performance.now()")
        self.servers[-1].kill()
        delay = wait_until(
            "an attempt to connect", lambda: page.script("return attempts.length && attempts[0] - stopped")
        )
        # Without a reset, the delay would be at least 4 seconds now.
        if delay > 3000:
            raise Failure(f"the first attempt to connect was after {delay:.0f} ms")

    def check_delays(self, page):
        """RFC 6455, section 7.2.3: delays are random, grow with the failures, and have a limit."""
        samples = page.script(
            """const before = failures;
            const samples = Array.from({length: 12}, (_, n) => {
                failures = n;
                return Array.from({length: 200}, retryDelay);
            });
            failures = before;
            return samples;"""
        )
        limits = [1000] + [min(30000, 1000 * 2**n) for n in range(1, 12)]
        for n, (delays, limit) in enumerate(zip(samples, limits)):
            least = 0 if n == 0 else limit / 2
            if not least <= min(delays) < max(delays) <= limit or max(delays) - min(delays) < limit / 4:
                raise Failure(f"after {n} failures, delays from {min(delays)} to {max(delays)} ms")

    def check_own_lines(self, page, others, guest, line):
        """A page shows which guest it is, and marks the lines of that guest and no others."""
        if page.script("return document.getElementById('me').textContent") != f"you are {guest}":
            raise Failure(f"{page.name} does not show that it is {guest}")
        own = "return Array.from(document.querySelectorAll('#log > li.own'), li => li.textContent)"
        if line not in page.script(own):
            raise Failure(f"{page.name} does not mark {line!r}")
        for other in others:
            if line in other.script(own):
                raise Failure(f"{other.name} marks {line!r} of {guest}")

    def run(self):
        check = self.check
        url, port = check("the server prints its address", self.start_server, 0)
        self.start_browser()
        first = check("a page connects", self.open_page, "first page", url)
        before = len(first.log())
        second = check("a second page connects", self.open_page, "second page", url)
        guest = check(
            "the first page sees the second one join", first.wait_line, r"(guest \d+) joined", before
        )[1]
        check("a message sent with Enter reaches both pages", self.send_message, first, [second], "hello", first.press_enter)
        check(
            "Unicode from the first page to the second",
            self.send_message, first, [second], "你好,世界 🦀 e\u0301 👩‍👩‍👧", first.click_send,
        )
        line = check(
            "Unicode from the second page to the first",
            self.send_message, second, [first], "再见 👋🏽 שלום", second.click_send,
        )
        check("markup is shown as text", self.check_markup, first, second)
        check("a message has the name with which the second page joined", self.check_name, guest, line)
        check("the second page marks its own messages", self.check_own_lines, second, [first], guest, line)
        check("the delays before a retry are random and grow", self.check_delays, first)
        self.pages.remove(second)
        second.close()
        check("the first page sees the second one leave", first.wait_line, re.escape(guest) + " left", before)

        check("the page shows that the connection is lost", self.stop_server, first)
        check("without a connection, sending is disabled and the text is kept", self.check_sending_is_disabled, first)
        check("the page retries", self.check_retries, first)
        self.start_server(port)
        check("the page reconnects", first.wait_status, "connected")
        check("a message is sent after the reconnect", self.send_message, first, [], "still here", first.press_enter)
        check("after a second stop of the server the delay is short", self.check_delay_after_second_stop, first)

    def print_state(self):
        """Prints the pages and the output of the programs after a failure."""
        for page in self.pages:
            try:
                print(f"{page.name}: status {page.status()!r}, log:")
                print("".join(f"    {line}\n" for line in page.log()), end="")
            except Failure as failure:
                print(f"{page.name}: {failure}")
        for program in self.servers + ([self.driver] if self.driver else []):
            print(f"{shlex.join(program.command)}: output:")
            print("".join(f"    {line}\n" for line in program.lines), end="")

    def close(self):
        try:
            if self.browser:
                self.browser.call("DELETE", "")
        except Failure as failure:
            print(f"closing the browser: {failure}")
        for program in self.servers + ([self.driver] if self.driver else []):
            program.kill()


def main(kind=Test):
    # The programs are killed after SIGTERM too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    profile = tempfile.mkdtemp(prefix="chat-browser-")
    test = kind(profile)
    failed = 0
    try:
        test.run()
    except (Failure, OSError) as failure:
        failed = 1
        print(f"not ok - {failure}")
        test.print_state()
    finally:
        test.close()
        shutil.rmtree(profile, ignore_errors=True)
    print(f"{test.passed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
