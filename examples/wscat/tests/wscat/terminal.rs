//! The program in a terminal, which is a pseudo-terminal of the test.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command},
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

use crate::server::{Ws, accepting, echo};

/// How long a test waits for a text.
const LIMIT: Duration = Duration::from_secs(30);

/// The program, and the terminal in which it runs.
struct Terminal {
    child: Child,
    master: File,
    slave: File,
    shown: Arc<Mutex<String>>,
    /// How much of what was shown the test has seen.
    seen: usize,
}

impl Terminal {
    fn start(args: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = OpenOptions::new().read(true).write(true).open(name).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&slave, size).unwrap();
        let stream = || OwnedFd::from(slave.try_clone().unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_wscat"))
            .args(args)
            .env("TERM", "xterm")
            .stdin(stream())
            .stdout(stream())
            .stderr(stream())
            .spawn()
            .unwrap();
        let master = File::from(master);
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut from, to) = (master.try_clone().unwrap(), Arc::clone(&shown));
        thread::spawn(move || {
            let mut buf = [0; 4096];
            while let Ok(len @ 1..) = from.read(&mut buf) {
                to.lock().unwrap().push_str(&String::from_utf8_lossy(&buf[..len]));
            }
        });
        Self {
            child,
            master,
            slave,
            shown,
            seen: 0,
        }
    }

    fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until a text is shown, after those that the test has waited for.
    #[track_caller]
    fn shows(&mut self, text: &str) {
        let started = Instant::now();
        loop {
            let shown = self.shown.lock().unwrap();
            if let Some(at) = shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            assert!(
                started.elapsed() < LIMIT,
                "{text:?} is not in {:?}",
                &shown[self.seen..]
            );
            drop(shown);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end of the program. Returns its exit status.
    fn end(mut self) -> Option<i32> {
        let started = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < LIMIT, "{:?}", self.shown.lock().unwrap());
            thread::sleep(Duration::from_millis(5));
        }
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        assert!(
            modes.contains(LocalModes::ICANON | LocalModes::ECHO),
            "the terminal is as it was"
        );
        self.child.wait().unwrap().code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _result = self.child.kill();
    }
}

/// Sends what the test says. Also returns what has arrived.
fn controlled() -> (String, Sender<&'static str>, Receiver<String>) {
    let (sender, messages) = mpsc::channel();
    let (arrived, received) = mpsc::channel();
    let messages = Arc::new(Mutex::new(messages));
    let url = accepting(move |ws: Ws| {
        let (mut reader, writer) = ws.split().unwrap();
        let messages = Arc::clone(&messages);
        thread::spawn(move || {
            for message in messages.lock().unwrap().iter() {
                writer.send(message).unwrap();
            }
            writer.close(sockless::CloseCode::GOING_AWAY, "restart").unwrap();
        });
        while let Ok(Some(message)) = reader.recv() {
            let _closed = arrived.send(String::from_utf8_lossy(message.as_bytes()).into_owned());
        }
    });
    (url, sender, received)
}

#[test]
fn lines_are_edited_and_earlier_ones_come_back() {
    let mut terminal = Terminal::start(&[&echo()]);
    terminal.shows("* connected; Ctrl-D closes");
    terminal.shows("> ");
    terminal.press("helo\x1b[Dl\r");
    terminal.shows("< hello");
    terminal.press("\x1b[A, again\r");
    terminal.shows("< hello, again");
    // An empty line is not sent.
    terminal.press("\r\x04");
    terminal.shows("* closed by this side with code 1000 (normal closure)");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_message_appears_above_the_line_that_is_edited() {
    let (url, server, received) = controlled();
    let mut terminal = Terminal::start(&[&url]);
    terminal.shows("> ");
    terminal.press("half a l");
    terminal.shows("half a l");
    server.send("one").unwrap();
    // The line is cleared, and drawn again below.
    terminal.shows("\r\x1b[K< one\r\n");
    terminal.shows("> half a l");
    server.send("two").unwrap();
    terminal.shows("\r\x1b[K< two\r\n");
    terminal.press("ine\r");
    assert_eq!(received.recv_timeout(LIMIT).unwrap(), "half a line");
}

#[test]
fn messages_keep_their_order_while_lines_are_sent() {
    let mut terminal = Terminal::start(&[&echo()]);
    terminal.shows("> ");
    for number in 0..200 {
        terminal.press(&format!("{number}\r"));
    }
    for number in 0..200 {
        terminal.shows(&format!("< {number}\r\n"));
    }
    terminal.press("\x03");
    terminal.shows("* closed by this side");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn nothing_of_the_server_controls_the_terminal() {
    let (url, server, _received) = controlled();
    let mut terminal = Terminal::start(&[&url]);
    terminal.shows("> ");
    server
        .send("\u{1b}]0;title\u{7}\u{9b}2J\r\n* closed by this side")
        .unwrap();
    terminal.shows("< \\u{1b}]0;title\\u{7}\\u{9b}2J\\r\r\n  * closed by this side\r\n");
}

#[test]
fn the_end_of_the_server_gives_the_terminal_back() {
    let (url, server, _received) = controlled();
    let mut terminal = Terminal::start(&[&url]);
    terminal.shows("> ");
    terminal.press("not sent");
    terminal.shows("not sent");
    drop(server);
    terminal.shows("* closed by the server with code 1001 (going away): restart\r\n");
    terminal.shows("\x1b[?2004l");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_line_that_cannot_be_sent_is_said_and_the_next_one_is_sent() {
    let mut terminal = Terminal::start(&["--hex", &echo()]);
    terminal.shows("> ");
    terminal.press("xyz\r");
    terminal.shows("* not sent: \"x\" is not a hexadecimal digit");
    terminal.press("00 fF\r");
    terminal.shows("< 00 ff (2 bytes)");
    terminal.press("\x04");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn raw_output_is_not_for_a_terminal() {
    let mut terminal = Terminal::start(&["--raw", &echo()]);
    terminal.shows("--raw would send control characters");
    assert_eq!(terminal.end(), Some(2));
}
