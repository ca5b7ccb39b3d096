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
KEYS = {"Enter": "\ue007", "Tab": "\ue004"}
# The contrast of text that is displayed: the list of what has less than WCAG 2.1 demands (1.4.3).
LOW_CONTRAST = """
const rgb = (color) => color.match(/[\\d.]+/g).map(Number);
const luminance = (color) => rgb(color).slice(0, 3)
    .map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
const background = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return (rgb(color)[3] ?? 1) === 0 && element.parentElement ? background(element.parentElement) : color;
};
const low = [];
const check = (element, pseudo, text) => {
    const levels = [getComputedStyle(element, pseudo).color, background(element)].map(luminance).sort((a, b) => a - b);
    const contrast = (levels[1] + 0.05) / (levels[0] + 0.05);
    if (contrast < 4.5) low.push(`${text}: ${contrast.toFixed(2)}`);
};
const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
let texts = 0;
while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() && element.checkVisibility()) {
        texts += 1;
        check(element, null, walker.currentNode.data);
    }
}
check(message, "::placeholder", message.placeholder);
return [texts, low];
"""
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
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            # A job in the background of a shell ignores it, and so would what it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
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

    def log(self, css="#log > li"):
        """The lines of the log, without their times."""
        return self.script(
            f"""return Array.from(document.querySelectorAll({css!r}), (li) =>
                [".name", ".text"].flatMap((css) => li.querySelector(css)?.textContent ?? []).join(": "));"""
        )

    def texts(self, css):
        """The texts of the elements that are displayed."""
        return self.script(
            f"""return Array.from(document.querySelectorAll({css!r}))
                .filter((element) => element.checkVisibility()).map((element) => element.textContent);"""
        )

    def set_media(self, scheme="light", width=0, height=0):
        """Sets the colour scheme, and the size of the window unless it is 0."""
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=0, mobile=width > 0)

    def cdp(self, command, **params):
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

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
        self.cdp("Input.insertText", text=text)

    def press(self, key, css="#message"):
        self._call("POST", f"/element/{self._element(css)}/value", {"text": KEYS[key]})

    def press_enter(self):
        self.press("Enter")

    def click(self, css):
        self._call("POST", f"/element/{self._element(css)}/click")

    def click_send(self):
        self.click("#send")

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

    def start_server(self, port, is_one_process=True):
        """Starts the chat. If it is one process, killing it loses the connections."""
        command = os.environ.get("CHAT")
        if command:
            command = shlex.split(command)
        else:
            command = [os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release/examples/chat")]
            command += ["--until-eof"] if is_one_process else []
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
        if any("the chat has ended" in line for line in page.log()):
            raise Failure("a lost connection is shown as the end of the chat")

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
        if page.texts("#me") != [f"You are {guest}"]:
            raise Failure(f"{page.name} does not show that it is {guest}")
        own = "#log > li.own"
        if line not in page.log(own):
            raise Failure(f"{page.name} does not mark {line!r}")
        for other in others:
            if line in other.log(own):
                raise Failure(f"{other.name} marks {line!r} of {guest}")
        # From the middle of the log: own lines are on the right, and those of others on the left.
        sides = page.script(
            """const middle = (element) => { const box = element.getBoundingClientRect(); return box.left + box.width / 2; };
            return Array.from(log.querySelectorAll("li:not(.note)"), (li) =>
                li.className.includes("own") === middle(li.querySelector(".text")) > middle(log));"""
        )
        if len(sides) < 3 or not all(sides):
            raise Failure(f"{page.name}: lines on the wrong side: {sides}")

    def check_times(self, page):
        age = "Math.abs(Date.now() - new Date(li.querySelector('time').dateTime))"
        ages = page.script(f"return Array.from(log.children, (li) => {age})")
        if not ages or max(ages) > 1000 * WAIT * 2:
            raise Failure(f"ages of the lines in milliseconds: {ages}")
        if not all(re.fullmatch(r"\d\d:\d\d.*", time) for time in page.texts("#log > .note time")):
            raise Failure(f"times: {page.texts('#log time')}")

    def check_people(self, page, expected):
        shown = ["#people summary", "#people li"]
        wait_until(
            f"{page.name}: a list of {expected}, which is {[page.texts(css) for css in shown]} at first",
            lambda: [page.texts(css) for css in shown] == [[f"{len(expected)} here"], expected],
        )

    def check_new_name(self, page, other):
        """The name is in the address of the page, so that it is there after a reload."""
        before = len(other.log())
        old = page.texts("#me strong")[0]
        page.click("#rename")
        page.script("document.getElementById('name').value = 'Ana <b>'")
        page.press("Enter", "#name")
        page.wait_status("connected")
        new = other.wait_line(r"(Ana b \(\d+\)) joined", before)[1]
        other.wait_line(re.escape(old) + " left", before)
        wait_until(f"{page.name}: {new}", lambda: page.texts("#me strong") == [new])
        self.check_people(page, [other.texts("#me strong")[0], f"{new} (you)"])
        address = page.script("return location.search")
        if address != "?name=Ana%20%3Cb%3E":
            raise Failure(f"the query of the address is {address!r}")
        return new

    def check_contrast(self, page):
        for scheme in ("light", "dark"):
            page.set_media(scheme)
            texts, low = page.script(LOW_CONTRAST)
            if texts < 15 or low:
                raise Failure(f"{scheme}: {texts} texts, of low contrast: {low}")

    def check_phone(self, page):
        """On the smallest phones, nothing is wider than the screen, and the message field is on it."""
        page.set_media(width=320, height=560)
        page.click("#people summary")
        sizes = page.script(
            """const [field, button] = [message, send].map((element) => element.getBoundingClientRect());
            return [document.scrollingElement.scrollWidth, scroll.scrollWidth - scroll.clientWidth, field.width > 100,
                field.bottom <= innerHeight && button.right <= innerWidth, scroll.clientHeight > 150];"""
        )
        page.click("#people summary")
        page.set_media()
        if sizes != [320, 0, True, True, True]:
            raise Failure(f"width of the page, overflow of the log, size and place of the controls, size of the log: {sizes}")

    def check_keyboard(self, page):
        """Every control is reached with the Tab key, and shows that it has the focus."""
        expected = ["rename", "summary", "scroll", "message", "send"]
        reached = []
        for _ in range(3 * len(expected)):
            page.cdp("Input.dispatchKeyEvent", type="rawKeyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
            page.cdp("Input.dispatchKeyEvent", type="keyUp", key="Tab", code="Tab", windowsVirtualKeyCode=9)
            reached += page.script(
                """const focused = document.activeElement, style = getComputedStyle(focused);
                const is_seen = style.outlineStyle === "solid" && parseInt(style.outlineWidth) >= 2;
                return focused === document.body ? [] : [is_seen ? focused.id || focused.localName : "nothing seen"];"""
            )
        if expected not in (reached[n : n + len(expected)] for n in range(len(reached))):
            raise Failure(f"the Tab key reaches {reached}")

    def check_screen_reader(self, page):
        """The roles and names that a screen reader gets."""
        nodes = page.cdp("Accessibility.getFullAXTree")["nodes"]
        seen = {(node["role"]["value"], node.get("name", {}).get("value")) for node in nodes if "role" in node}
        expected = {("log", "Messages"), ("textbox", "Message"), ("button", "Send"), ("button", "Change name"), ("list", "Who is here")}
        status = any(role == "status" for role, _ in seen)
        if expected - seen or not status:
            raise Failure(f"not there for a screen reader: {expected - seen}, status: {status}")

    def check_countdown(self, page):
        """The page counts the seconds down, and does not say each to a screen reader."""
        page.script("failures = 5")
        first = wait_until("a long delay", lambda: self.seconds_left(page) > 7 and self.seconds_left(page))
        wait_until("less of the same delay", lambda: first > self.seconds_left(page) > first - 4)
        if page.script("return document.getElementById('countdown').closest('[aria-live], [role=status]')"):
            raise Failure("the countdown is in a live region")

    def seconds_left(self, page):
        """The number that the page shows before it connects again, or 0."""
        return next((int(text.split()[1]) for text in page.texts("#countdown") if re.fullmatch(r"in \d+ s", text)), 0)

    def check_retry_button(self, page):
        before = page.script("return attempts.length")
        page.click("#retry")
        wait_until("an attempt to connect", lambda: page.script("return attempts.length") > before, 2)
        # The delays are short again.
        wait_until("the button", lambda: page.texts("#retry"))
        page.script("failures = 0; retry.click()")

    def check_end(self, page):
        """Ctrl-C at the terminal of the chat."""
        before = len(page.log())
        os.kill(self.servers[-1].process.pid, signal.SIGINT)
        page.wait_line("the chat has ended; this page connects again when it is back", before)

    def run(self):
        check = self.check
        url, port = check("the server prints its address", self.start_server, 0)
        self.start_browser()
        first = check("a page connects", self.open_page, "first page", url)
        first.wait_line(r"guest \d+ joined")
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
        check("lines have times", self.check_times, first)
        me = first.texts("#me strong")[0]
        check("the first page lists who is there", self.check_people, first, [f"{me} (you)", guest])
        check("the second page lists who is there", self.check_people, second, [me, f"{guest} (you)"])
        check("text has enough contrast in light and dark", self.check_contrast, first)
        check("a phone shows the whole page", self.check_phone, first)
        check("the keyboard reaches every control", self.check_keyboard, first)
        check("a screen reader gets names and roles", self.check_screen_reader, first)
        guest = check("a guest can have a name", self.check_new_name, second, first)
        check("the delays before a retry are random and grow", self.check_delays, first)
        self.pages.remove(second)
        second.close()
        check("the first page sees the second one leave", first.wait_line, re.escape(guest) + " left", before)
        check("the list is shorter then", self.check_people, first, [f"{me} (you)"])

        check("the page shows that the connection is lost", self.stop_server, first)
        check("without a connection, sending is disabled and the text is kept", self.check_sending_is_disabled, first)
        check("the page retries", self.check_retries, first)
        check("the page counts the seconds down", self.check_countdown, first)
        check("a button connects at once", self.check_retry_button, first)
        self.start_server(port)
        check("the page reconnects", first.wait_status, "connected")
        check("a message is sent after the reconnect", self.send_message, first, [], "still here", first.press_enter)
        check("after a second stop of the server the delay is short", self.check_delay_after_second_stop, first)
        self.start_server(port, is_one_process=False)
        first.script("retry.hidden || retry.click()")
        check("the page reconnects", first.wait_status, "connected")
        check("the page says that the chat has ended", self.check_end, first)

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
