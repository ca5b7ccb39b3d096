//! The chat example, as a process, over TCP on the loopback interface.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    iter,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use sockless::{
    ClientRequest, CloseCode, Config, Message,
    adapter::{Error, std_net},
};

/// How long a test waits for the chat before it fails.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);

const PAGE: &str = include_str!("../examples/chat/page.html");

type WebSocket = std_net::WebSocket<TcpStream>;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
    command.args(args).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs a chat that ends by itself.
fn output(args: &[&str]) -> Output {
    command(args).stderr(Stdio::piped()).output().unwrap()
}

/// A chat that runs until it is dropped.
struct Chat {
    process: Child,
    /// Its address and port.
    address: String,
}

impl Drop for Chat {
    fn drop(&mut self) {
        // What it started notices that it is gone, and ends too.
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Chat {
    fn start(args: &[&str]) -> Self {
        let args = [&["--listen", "127.0.0.1:0"], args].concat();
        let mut process = command(&args).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim_end()
            .strip_prefix("chat: open http://")
            .and_then(|rest| rest.strip_suffix('/'))
            .expect("a line with the URL of the page")
            .to_owned();
        Self { process, address }
    }

    fn tcp(&self) -> TcpStream {
        let tcp = TcpStream::connect(&self.address).unwrap();
        tcp.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        tcp.set_write_timeout(Some(TEST_TIMEOUT)).unwrap();
        tcp
    }

    fn try_join(&self, query: &str) -> Result<WebSocket, Error> {
        let request = ClientRequest::new(&format!("ws://{}/{query}", self.address)).unwrap();
        Ok(std_net::client(self.tcp(), &request, Config::new())?.0)
    }

    /// Joins, and returns what the guest is called.
    fn join_as(&self, query: &str) -> (WebSocket, String) {
        let mut guest = self.try_join(query).unwrap();
        let line = next_line(&mut guest);
        let name = line.strip_prefix("you are ").expect(&line).to_owned();
        (guest, name)
    }

    fn join(&self) -> WebSocket {
        self.join_as("").0
    }

    /// Sends a signal to the process, as Ctrl-C sends `INT`.
    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        // The command of the shell: not every system has a program of that name.
        let kill = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &id])
            .status();
        let status = kill.unwrap();
        assert!(status.success());
    }

    /// Returns the status of the response to a request.
    fn status(&self, request: &str) -> String {
        let mut tcp = self.tcp();
        tcp.write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(tcp).read_line(&mut line).unwrap();
        line.split(' ').nth(1).expect(&line).to_owned()
    }
}

/// Returns whether this process ignores `INT`, as a job in the background of a shell does, and so
/// does what it starts.
#[cfg(unix)]
fn ignores_interrupts() -> bool {
    const INT: u64 = 1 << 1;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & INT > 0)
}

/// Returns the next line that the chat sends to a guest.
fn next_line(guest: &mut WebSocket) -> String {
    match guest.recv().unwrap() {
        Some(Message::Text(line)) => line.into_owned(),
        other => panic!("{other:?}, {:?}", guest.close_status()),
    }
}

/// Returns the lines up to one that is as expected.
fn lines_until(guest: &mut WebSocket, last: &str) -> Vec<String> {
    let mut lines = vec![next_line(guest)];
    while !lines.ends_with(&[last.to_owned()]) {
        lines.push(next_line(guest));
    }
    lines
}

/// Asserts that guests are still there: one says something, and all get it. Returns how many lines
/// each has got until then.
fn assert_are_here(guests: &mut [WebSocket]) -> Vec<usize> {
    guests[0].send("still here").unwrap();
    guests
        .iter_mut()
        .map(|guest| lines_until(guest, "guest 1: still here").len())
        .collect()
}

/// A Text message of a client, as bytes.
fn text_frame(len: u8) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | len, 0, 0, 0, 0];
    frame.extend(vec![b'x'; len.into()]);
    frame
}

/// Guests that come and go are announced in few lines, and no reader is dismissed for them.
#[test]
fn f71_connections_that_come_and_go_do_not_dismiss_readers() {
    let chat = Chat::start(&[]);
    let mut readers: Vec<_> = (0..3).map(|_| chat.join()).collect();
    thread::scope(|scope| {
        for _ in 0..6 {
            // The chat may refuse some. Those that are open are closed at once.
            scope.spawn(|| drop(Vec::from_iter((0..100).map(|_| chat.try_join("")))));
        }
    });
    for lines in assert_are_here(&mut readers) {
        assert!(lines < 100, "{lines} lines about guests that came and went");
    }
}

/// An address has a limit on open connections. Another connection is refused with a reason, until
/// one is closed.
#[test]
fn f71_the_connections_of_an_address_are_limited() {
    let chat = Chat::start(&[]);
    let mut guests = vec![chat.join()];
    let refusal = loop {
        match chat.try_join("") {
            Ok(_) if guests.len() > 1000 => panic!("there is no limit"),
            Ok(guest) => guests.push(guest),
            Err(refusal) => break refusal,
        }
    };
    let Error::Refused(refused) = refusal else {
        panic!("{refusal}");
    };
    assert_eq!(refused.response.status(), 429);
    assert_are_here(&mut guests[..1]);
    drop(guests.pop());
    let mut attempts = (0..100).map(|_| {
        thread::sleep(Duration::from_millis(50));
        chat.try_join("")
    });
    assert!(
        attempts.any(|joined| joined.is_ok()),
        "a closed connection still counts"
    );
}

/// A guest that floods the chat is closed with 1008. The others get little of the flood.
#[test]
fn f71_a_guest_that_floods_is_dismissed_alone() {
    let chat = Chat::start(&[]);
    let mut readers: Vec<_> = (0..2).map(|_| chat.join()).collect();
    let (mut reader, writer) = chat.join().split().unwrap();
    thread::scope(|scope| {
        // After the Close frame of the chat was received, nothing can be sent.
        scope.spawn(|| while writer.send("x").is_ok() {});
        // The dismissal is an error for the guest.
        let end = iter::repeat_with(|| reader.recv()).find(|received| !matches!(received, Ok(Some(_))));
        assert!(matches!(end, Some(Err(Error::Closed(_)))), "{end:?}");
    });
    let status = reader.close_status().unwrap();
    assert_eq!(status.code(), CloseCode::POLICY_VIOLATION);
    for reader in &mut readers {
        let lines = lines_until(reader, "guest 3 left");
        assert!(lines.len() < 200, "{} lines of a flood", lines.len());
    }
    assert_are_here(&mut readers);
}

/// A guest that sends on after its dismissal, and never answers the Close frame, is disconnected.
#[test]
fn f71_a_flood_that_goes_on_after_the_close_frame_is_cut_off() {
    let chat = Chat::start(&[]);
    let mut reader = chat.join();
    let mut tcp = chat.join().into_parts().transport;
    let frames = text_frame(50).repeat(1000);
    let started = Instant::now();
    while tcp.write_all(&frames).is_ok() {
        assert!(started.elapsed() < TEST_TIMEOUT, "the chat reads on");
    }
    lines_until(&mut reader, "guest 2 left");
    assert_are_here(&mut [reader]);
}

/// A guest that reads nothing does not delay the others. It is dismissed when what it has not read
/// fills the buffers of its connection.
#[test]
fn f71_a_guest_that_does_not_read_delays_nobody() {
    /// Less than the time after which the chat gives a guest up that does not read.
    const MAX_DELAY: Duration = Duration::from_secs(6);

    let chat = Chat::start(&[]);
    let mut readers: Vec<_> = (0..2).map(|_| chat.join()).collect();
    let limit_delay = |guest: &WebSocket| guest.get_ref().set_read_timeout(Some(MAX_DELAY)).unwrap();
    readers.iter().for_each(limit_delay);
    let _slow = chat.join();
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < 4 * TEST_TIMEOUT, "the slow guest is still there");
        // Not `join`: the chat may refuse a guest for a while.
        let Ok(mut speaker) = chat.try_join("") else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        limit_delay(&speaker);
        let name = next_line(&mut speaker).split_off("you are ".len());
        // What one guest may say at once.
        for message in [&*"\u{1F600}".repeat(1950), &"\u{1F600}".repeat(1950), "bye"] {
            speaker.send(message).unwrap();
        }
        let last = format!("{name}: bye");
        let lines: Vec<_> = readers.iter_mut().map(|reader| lines_until(reader, &last)).collect();
        speaker.close(CloseCode::NORMAL, "").unwrap();
        while speaker.recv().unwrap().is_some() {}
        if lines[0].iter().any(|line| line == "guest 3 left") {
            break;
        }
    }
    assert_are_here(&mut readers);
}

/// A name is cut and cleaned. It cannot be taken for a line of the chat or of another guest.
#[test]
fn f71_names_are_cut_and_cleaned() {
    let chat = Chat::start(&[]);
    let (mut one, name) = chat.join_as(&format!("?name={}", "a".repeat(3000)));
    assert_eq!(name, format!("{} (1)", "a".repeat(32)));
    let (_two, name) = chat.join_as("?name=%3Cb%3Eguest%201:%0Ahello");
    assert_eq!(name, "bguest 1 hello (2)");
    lines_until(&mut one, "bguest 1 hello (2) joined");
}

/// Each guest is told which one it is, and its own lines begin with that name.
#[test]
fn f71_each_guest_is_told_which_one_it_is() {
    let chat = Chat::start(&[]);
    for number in 1..=3 {
        let (mut guest, name) = chat.join_as("");
        assert_eq!(name, format!("guest {number}"));
        guest.send("hello").unwrap();
        lines_until(&mut guest, &format!("{name}: hello"));
    }
}

/// A guest that joins gets the names of those who are there, and the others get its name.
#[test]
fn a_guest_that_joins_is_told_who_is_there() {
    let chat = Chat::start(&[]);
    let (mut one, _) = chat.join_as("");
    let (two, _) = chat.join_as("?name=Ana");
    let (mut three, _) = chat.join_as("");
    assert_eq!(next_line(&mut three), "here: guest 1, Ana (2), guest 3");
    drop(two);
    let expected = [
        "here: guest 1",
        "guest 1 joined",
        "Ana (2) joined",
        "guest 3 joined",
        "Ana (2) left",
    ];
    assert_eq!(lines_until(&mut one, "Ana (2) left"), expected);
    let (mut four, _) = chat.join_as("");
    assert_eq!(next_line(&mut four), "here: guest 1, guest 3, guest 4");
}

/// RFC 6455, section 7.4.1: a server that goes down closes with 1001. That is so for Ctrl-C, for a
/// signal to the parent alone, and for a chat that is killed. Then its address is free.
#[cfg(unix)]
#[test]
fn s7_4_1_a_chat_that_is_stopped_closes_with_1001() {
    for signal in ["INT", "TERM", "KILL"] {
        if signal == "INT" && ignores_interrupts() {
            continue;
        }
        let mut chat = Chat::start(&[]);
        let mut guests = [chat.join(), chat.join()];
        // It does not answer the Close frame.
        let _silent = chat.join();
        assert_are_here(&mut guests);
        chat.signal(signal);
        for guest in &mut guests {
            let end = iter::repeat_with(|| guest.recv()).find(|received| !matches!(received, Ok(Some(_))));
            let status = guest.close_status().unwrap_or_else(|| panic!("{signal}: {end:?}"));
            assert_eq!(status.code(), CloseCode::GOING_AWAY, "{signal}: {status:?}");
        }
        // The output ends when the last process ends that has it.
        let mut rest = String::new();
        chat.process.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        TcpListener::bind(&chat.address).unwrap();
    }
}

/// With `--until-eof`, the end of the standard input ends the chat, with success.
#[test]
fn the_end_of_the_standard_input_can_end_the_chat() {
    let output = output(&["--listen", "127.0.0.1:0", "--until-eof"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stdout.starts_with(b"chat: open http://127.0.0.1:"), "{output:?}");
}

/// A page whose host name leads to the address of the chat ("DNS rebinding") gets neither the page
/// nor a WebSocket, although its host and its origin agree.
#[test]
fn f83_the_chat_knows_its_own_hosts() {
    let chat = Chat::start(&["--host", "chat.example"]);
    let port = chat.address.rsplit(':').next().unwrap();
    let local = format!("localhost:{port}");
    let evil = format!("evil.example:{port}");
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (host, expected) in [
        (&*chat.address, "101"),
        (&local, "101"),
        ("chat.example", "101"),
        ("chat.example:8443", "101"),
        (&evil, "403"),
        ("evil.example", "403"),
        ("localhost", "403"),
        ("chat.example.evil.example", "403"),
    ] {
        let get = |rest: &str| chat.status(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n{rest}\r\n"));
        assert_eq!(get(&format!("Origin: http://{host}\r\n{upgrade}")), expected, "{host}");
        assert_eq!(get(upgrade), expected, "{host} without an origin");
        assert_eq!(
            get(&format!("Origin: http://other.example\r\n{upgrade}")),
            "403",
            "{host}"
        );
        assert_eq!(get(""), expected.replace("101", "200"), "the page at {host}");
    }
}

/// Errors of the command line and of the address are readable, and name the option for another
/// address. The help is not an error.
#[test]
fn the_command_line_of_the_chat_is_checked() {
    let chat = Chat::start(&[]);
    let in_use = format!("chat: cannot listen on {}: ", chat.address);
    for (args, status, stdout, stderr) in [
        (&["--help"][..], 0, "A chat room for browsers.", ""),
        (&["--listen"], 2, "", "chat: --listen needs a value\n"),
        (&["--port", "1"], 2, "", "chat: there is no option \"--port\"\n"),
        (&["--listen", "nowhere"], 1, "", "chat: cannot listen on nowhere: "),
        (&["--listen", &chat.address], 1, "", &in_use),
    ] {
        let output = output(args);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(status), "{args:?}: {err}");
        assert!(
            out.starts_with(stdout) && err.starts_with(stderr),
            "{args:?}: {out}{err}"
        );
        assert_eq!(
            (out.is_empty(), err.is_empty()),
            (stdout.is_empty(), stderr.is_empty()),
            "{args:?}"
        );
        if status == 1 {
            assert!(err.ends_with("; --listen ADDRESS chooses another\n"), "{err}");
        }
    }
}

/// R086: The chat does not pass on the reason of a Close frame, and its page does not show one. The
/// other examples and the pages of the documentation print a reason only escaped, for a log.
#[test]
fn s5_5_1_no_example_shows_a_close_reason_to_users() {
    let chat = Chat::start(&[]);
    let mut reader = chat.join();
    let mut guest = chat.join();
    guest.close(CloseCode::NORMAL, "<b>the reason</b>").unwrap();
    while guest.recv().unwrap().is_some() {}
    let lines = lines_until(&mut reader, "guest 2 left");
    assert!(lines.iter().all(|line| !line.contains("reason")), "{lines:?}");

    assert!(!PAGE.contains(".reason"), "the page shows the reason of a Close frame");
    for (name, text) in texts() {
        for line in text.lines().filter(|line| line.contains(".reason()")) {
            assert!(line.contains("{:?}"), "{name} prints a reason unescaped: {line}");
        }
    }
}

/// The examples in Rust, without their tests, and the pages of the documentation.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let (mut folders, mut texts) = (vec![root.join("examples"), root.join("docs")], Vec::new());
    let mut add = |path: PathBuf| {
        if path.extension().is_some_and(|end| end == "rs" || end == "md") {
            texts.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    };
    for page in ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"] {
        add(root.join(page));
    }
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_dir() {
                add(path);
            } else if !(path.ends_with("target") || path.ends_with("tests")) {
                folders.push(path);
            }
        }
    }
    assert!(texts.len() > 35, "{} files", texts.len());
    texts
}

/// R117: The page of the chat connects again in one place, after a random time that grows with the
/// number of failures up to a limit. `tests/browser/chat.py` measures the delays.
#[test]
fn s7_2_3_the_page_waits_before_it_connects_again() {
    let body_of = |function: &str| {
        let (_, rest) = PAGE.split_once(&format!("function {function}() {{\n")).expect(function);
        rest.split("\n}\n").next().unwrap()
    };
    assert_eq!(PAGE.matches("new WebSocket(").count(), 1);
    // Its definition, and the call at the end of the script.
    assert_eq!(PAGE.matches("connect()").count(), 2);
    assert_eq!(PAGE.matches("setTimeout(").count(), 1);
    let connect = body_of("connect");
    // It connects at once only because the user has asked for it: with another name, or a button.
    let delay = "const delay = hasNewName ? 0 : retryDelay();\n    timer = setTimeout(connect, delay);\n";
    assert!(connect.contains(delay), "{connect}");
    assert!(connect.contains("failures += 1;"), "{connect}");
    let delay = body_of("retryDelay");
    for part in ["Math.random()", "2 ** failures", "Math.min(MAX_DELAY, "] {
        assert!(delay.contains(part), "{part}: {delay}");
    }
}
