"""Drives examples/chat in headless Chromium through chromedriver (see run)."""

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

WAIT = 20  # seconds for anything that should happen soon
REQUEST_TIMEOUT = 60  # seconds for one WebDriver command, a browser's start included
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key that WebDriver gives elements
FLAGS = [
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Only one of the two windows has the focus: the other's timers must not be slowed.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
]


class Failed(Exception):
    pass


def until(what, probe, seconds=WAIT):
    """Polls until the probe gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Program:
    """A child process whose output is kept."""

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

    def line(self, pattern):
        """The first line of the output that matches."""

        def probe():
            for line in list(self.lines):
                if match := re.search(pattern, line):
                    return match
            if self.process.poll() is not None:
                raise Failed(f"{shlex.join(self.command)}: ended with {self.process.returncode}")

        return until(f"a line like {pattern!r} from {shlex.join(self.command)}", probe)

    def end(self):
        """Kills it with what it started: chromedriver's end alone leaves Chromium."""
        if self.process.returncode is None:  # not waited for yet, so the id is still its own
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


class Browser:
    """One WebDriver session."""

    def __init__(self, port, profile):
        self.port = port
        self.base = ""
        flags = FLAGS + [f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # Chromium's sandbox refuses to start as root
        options = {"args": flags, "binary": shutil.which("chromium")}
        answer = self.call(
            "POST",
            "/session",
            {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}},
        )
        self.base = "/session/" + answer["sessionId"]

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_TIMEOUT)
        try:
            data = None if method != "POST" else json.dumps(body or {})
            connection.request(method, self.base + path, data, {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        except (OSError, http.client.HTTPException) as error:
            raise Failed(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise Failed(f"{method} {path}: {value['error']}: {value['message']}")
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
        """Types into the message field. Not by key strokes: chromedriver may know
        none for characters outside the basic plane."""
        self._call("POST", f"/element/{self._element('#message')}/click")
        self._call("POST", "/goog/cdp/execute", {"cmd": "Input.insertText", "params": {"text": text}})

    def press_enter(self):
        self._call("POST", f"/element/{self._element('#message')}/value", {"text": "\ue007"})

    def click_send(self):
        self._call("POST", f"/element/{self._element('#send')}/click")

    def wait_status(self, word):
        until(f"{self.name}: status {word!r}", lambda: word in self.status().split())

    def wait_line(self, pattern, after=0):
        """The first line, of those after the given number, that matches as a whole."""

        def probe():
            matches = (re.fullmatch(pattern, line, re.DOTALL) for line in self.log()[after:])
            return next((match for match in matches if match), None)

        return until(f"{self.name}: a line like {pattern}", probe)

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
        """Runs one named check; a failure is told under that name."""
        try:
            value = body(*args)
        except Failed as failure:
            raise Failed(f"{name}: {failure}") from failure
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
        ready = server.line(r"^chat: open (http://127\.0\.0\.1:(\d+)/)$")
        return ready[1], int(ready[2])

    def start_browser(self):
        # Chromium leaves files under these: they go with the profile.
        env = dict(os.environ, HOME=self.profile, TMPDIR=self.profile)
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            env.pop(name, None)
        self.driver = Program([shutil.which("chromedriver") or "chromedriver", "--port=0"], env)
        port = int(self.driver.line(r"started successfully on port (\d+)")[1])
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

    def says(self, speaker, others, text, send):
        """One line, the same in the sender's log and in the others'."""
        pages = [speaker] + others
        seen = [len(page.log()) for page in pages]
        speaker.type(text)
        send()
        lines = [
            page.wait_line(r"guest \d+: " + re.escape(text), after)[0]
            for page, after in zip(pages, seen)
        ]
        if len(set(lines)) != 1:
            raise Failed(f"the pages show different lines: {lines}")
        return lines[0]

    def named(self, guest, line):
        if not line.startswith(guest + ": "):
            raise Failed(f"{guest} joined, but its message is shown as {line!r}")

    def markup(self, speaker, other):
        self.says(speaker, [other], "<b>bold</b> <img src=x> &amp;", speaker.click_send)
        for page in (speaker, other):
            if page.script("return document.querySelectorAll('#log b, #log img').length"):
                raise Failed(f"{page.name}: the message became elements")

    def outage(self, page):
        page.script(
            """const Real = WebSocket;
            window.attempts = [];
            window.WebSocket = class extends Real {
                constructor(...args) { super(...args); attempts.push(performance.now()); }
            };"""
        )
        self.servers[-1].end()
        page.wait_status("reconnecting")

    def refuses_to_send(self, page):
        if page.can_send():
            raise Failed("the Send button is enabled")
        page.type("draft")
        page.press_enter()
        draft = page.script("return document.getElementById('message').value")
        if draft != "draft":
            raise Failed(f"the field holds {draft!r}, the text is lost")
        page.script("document.getElementById('message').value = ''")

    def keeps_trying(self, page):
        until("a second attempt", lambda: page.script("return attempts.length") >= 2)

    def second_outage(self, page):
        page.script("attempts.length = 0; window.lost = performance.now()")
        self.servers[-1].end()
        waited = until("an attempt", lambda: page.script("return attempts.length && attempts[0] - lost"))
        # A delay that went on growing would be 4 seconds or more by now.
        if waited > 3000:
            raise Failed(f"the first attempt came after {waited:.0f} ms")

    def run(self):
        check = self.check
        url, port = check("the server says where it listens", self.start_server, 0)
        self.start_browser()
        first = check("a page connects", self.open_page, "first page", url)
        before = len(first.log())
        second = check("a second page connects", self.open_page, "second page", url)
        guest = check(
            "the first page sees the second one join", first.wait_line, r"(guest \d+) joined", before
        )[1]
        check("a message sent with Enter reaches both pages", self.says, first, [second], "hello", first.press_enter)
        check(
            "unicode, from the first page to the second",
            self.says, first, [second], "你好,世界 🦀 e\u0301 👩‍👩‍👧", first.click_send,
        )
        line = check(
            "unicode, from the second page to the first",
            self.says, second, [first], "再见 👋🏽 שלום", second.click_send,
        )
        check("markup is shown as it was typed", self.markup, first, second)
        check("the second page speaks under the name it joined with", self.named, guest, line)
        self.pages.remove(second)
        second.close()
        check("the first page sees the second one leave", first.wait_line, re.escape(guest) + " left", before)

        check("the page tells that the server is gone", self.outage, first)
        check("nothing can be sent meanwhile, and the text stays", self.refuses_to_send, first)
        check("the page goes on trying", self.keeps_trying, first)
        self.start_server(port)
        check("the page reconnects by itself", first.wait_status, "connected")
        check("a message goes through again", self.says, first, [], "still here", first.press_enter)
        check("after a second outage the delay is short again", self.second_outage, first)

    def tell(self):
        """What there is to see after a failure."""
        for page in self.pages:
            try:
                print(f"{page.name}: status {page.status()!r}, log:")
                print("".join(f"    {line}\n" for line in page.log()), end="")
            except Failed as failure:
                print(f"{page.name}: {failure}")
        for program in self.servers + ([self.driver] if self.driver else []):
            print(f"{shlex.join(program.command)}: output:")
            print("".join(f"    {line}\n" for line in program.lines), end="")

    def end(self):
        try:
            if self.browser:
                self.browser.call("DELETE", "")
        except Failed as failure:
            print(f"closing the browser: {failure}")
        for program in self.servers + ([self.driver] if self.driver else []):
            program.end()


def main(kind=Test):
    # So that what was started is ended on a termination too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    profile = tempfile.mkdtemp(prefix="chat-browser-")
    test = kind(profile)
    failed = 0
    try:
        test.run()
    except (Failed, OSError) as failure:
        failed = 1
        print(f"not ok - {failure}")
        test.tell()
    finally:
        test.end()
        shutil.rmtree(profile, ignore_errors=True)
    print(f"{test.passed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
