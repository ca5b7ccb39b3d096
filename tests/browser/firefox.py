"""Headless Firefox, which its Marionette protocol controls, with the calls of chat.Browser."""

import json
import os
import socket

from chat import Failure, Program, wait_until

TIMEOUT = 60  # seconds
COMMANDS = {
    ("POST", "/url"): "WebDriver:Navigate",
    ("POST", "/execute/async"): "WebDriver:ExecuteAsyncScript",
    ("POST", "/execute/sync"): "WebDriver:ExecuteScript",
    ("DELETE", ""): "WebDriver:DeleteSession",
}
PREFERENCES = {
    # On a free port, which Firefox writes to a file of the profile.
    "marionette.port": 0,
    # A page that is left would keep its WebSocket, or its connection would serve another host.
    "browser.sessionhistory.max_total_viewers": 0,
    "network.http.http2.coalesce-hostnames": False,
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}


class Firefox:
    def __init__(self, profile, programs):
        """Adds the program to the list before it waits, so that it is killed after a failure too."""
        with open(os.path.join(profile, "user.js"), "w", encoding="utf-8") as file:
            for name, value in PREFERENCES.items():
                file.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
        command = ["firefox-esr", "--headless", "--marionette", "--remote-allow-system-access"]
        command += ["--no-remote", "--profile", profile]
        self.program = Program(command, env={**os.environ, "HOME": profile})
        programs.append(self.program)
        port_file = os.path.join(profile, "MarionetteActivePort")
        port = wait_until("Firefox is ready", lambda: self._read_port(port_file), TIMEOUT)
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.buffer = b""
        self.number = 0
        self._receive()  # the greeting
        self._command("WebDriver:NewSession", {"acceptInsecureCerts": True})

    def _read_port(self, path):
        try:
            with open(path, encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            status = self.program.process.poll()
            if status is not None:
                raise Failure(f"Firefox: exited with status {status}") from None
            return None

    def _receive(self):
        """Receives a message: its length in decimal, a colon, and JSON."""
        while True:
            length, colon, rest = self.buffer.partition(b":")
            if colon and len(rest) >= int(length):
                self.buffer = rest[int(length) :]
                return json.loads(rest[: int(length)])
            data = self.socket.recv(1 << 16)
            if not data:
                raise Failure("Firefox has closed the connection")
            self.buffer += data

    def _command(self, name, parameters):
        self.number += 1
        message = json.dumps([0, self.number, name, parameters]).encode()
        try:
            self.socket.sendall(str(len(message)).encode() + b":" + message)
            _, _, error, result = self._receive()
        except OSError as failure:
            raise Failure(f"{name}: {failure!r}") from failure
        if error:
            raise Failure(f"{name}: {error['error']}: {error['message']}")
        return result.get("value") if isinstance(result, dict) else result

    def call(self, method, path, body=None):
        return self._command(COMMANDS[method, path], body or {})

    def set_preference(self, name, value):
        """Changes a preference of the running browser."""
        self._command("Marionette:SetContext", {"value": "chrome"})
        script = "Services.prefs.setBoolPref(...arguments)"
        self._command("WebDriver:ExecuteScript", {"script": script, "args": [name, value]})
        self._command("Marionette:SetContext", {"value": "content"})
