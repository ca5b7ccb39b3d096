//! A client with `sockless` against a server of another library. See `../../run`; `server.py`
//! documents the paths.
//!
//! ```text
//! interop_client ws://ADDRESS/ websockets|ws [--proxy http://USER:PASSWORD@PROXY] [--down URL]
//! ```
//!
//! With `--down`, the first address is that of a reverse proxy, which has a server that does not
//! run behind the other URL. `EVERY` in the environment: see `compressed::checks`.

mod compressed;

use std::{
    cell::Cell,
    env, error,
    fmt::Debug,
    process::ExitCode,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use sockless::{
    ClientRequest, CloseCode, CloseStatus, ClosedBy, Config, Event, Message, MessageKind, ProtocolError,
    adapter::{
        ConnectOptions, Error,
        std_net::{self, MaybeTlsStream, WebSocket},
    },
    error::ResponseError,
    handshake::{Refusal, Response},
    proxy::{Proxy, ProxyError},
};

use self::compressed::Library;

/// The maximum time of a check, with a margin for a busy machine.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

const UNICODE: &str = "naïve Ωμέγα 日本語 \u{1F980} \u{10FFFF} \0";

/// A reason of 123 bytes, the maximum.
const LONG_REASON: &str = "ändern, bleiben, gehen: was auch immer; this reason is as long as a reason may be, to the very \
                           last byte of its 123 bytes.";

type Failure = Box<dyn error::Error + Send + Sync>;
type Tcp = WebSocket<MaybeTlsStream>;
type Function = fn(&Server) -> Result<(), Failure>;
type Check = Box<dyn Fn(&Server) -> Result<(), Failure> + Send>;

const CHECKS: &[(&str, Function)] = &[
    ("text", |s| s.echoes([text("hello"), text("again")])),
    ("unicode text", |s| s.echoes([text(UNICODE)])),
    ("binary, all byte values", |s| s.echoes([binary(256), binary(1000)])),
    ("empty text", |s| s.echoes([text(""), text("after it")])),
    ("empty binary", |s| s.echoes([binary(0), text("after it")])),
    ("sizes 125, 126, 65535, 65536", boundary_sizes),
    ("1 MiB of text", |s| s.echoes([text(long_text(1 << 20))])),
    ("1 MiB of binary", |s| s.echoes([binary(1 << 20)])),
    ("fragmented text with a Ping between", |s| {
        fragmented(s, MessageKind::Text)
    }),
    ("fragmented binary with a Ping between", |s| {
        fragmented(s, MessageKind::Binary)
    }),
    ("many small fragments", many_fragments),
    ("fragments from the server with a Ping between", fragments_from_server),
    ("Pings by the client", pings),
    ("Pings by the server", pings_from_server),
    ("200 messages without waiting for the echoes", pipelined),
    ("200 messages from another thread", pipelined_halves),
    ("subprotocol: the server's preference", subprotocol),
    ("subprotocol: none in common", no_subprotocol),
    ("refused with 401", |s| {
        refused(
            s,
            401,
            "WWW-Authenticate",
            "Basic realm=\"interop\"",
            "authentication required\n",
        )
    }),
    ("refused with 403", |s| {
        refused(s, 403, "X-Reason", "none", "kein Zutritt für dich\n")
    }),
    ("refused with 302", |s| {
        refused(s, 302, "Location", "/echo/elsewhere", "not here\n")
    }),
    ("refused with a chunked body", refused_chunked),
    ("close by the client: 1000", |s| close(s, Some(1000), "bye")),
    ("close by the client: 3000", |s| {
        close(s, Some(3000), "auf Wiederhören ✓")
    }),
    ("close by the client: 4999", |s| close(s, Some(4999), LONG_REASON)),
    ("close by the client: empty", |s| close(s, None, "")),
    ("close by the server: 1000", |s| close_by_server(s, Some(1000), "bye")),
    ("close by the server: 3000", |s| {
        close_by_server(s, Some(3000), "auf Wiederhören ✓")
    }),
    ("close by the server: 4999", |s| {
        close_by_server(s, Some(4999), LONG_REASON)
    }),
    ("close by the server: empty", |s| close_by_server(s, None, "")),
    ("dropped by the client without a Close frame", dropped_by_client),
    ("dropped by the server without a Close frame", dropped_by_server),
    ("message over the limit of sockless: 1009", over_own_limit),
    ("message over the limit of the library: 1009", over_server_limit),
    ("invalid UTF-8: 1007", invalid_utf8),
    ("refused by the proxy without credentials: 407", refused_by_proxy),
    ("refused by the proxy for a port on which nothing listens", nowhere),
    ("refused by the reverse proxy if the server does not run", down),
];

const USAGE: &str =
    "usage: interop_client ws://ADDRESS/ websockets|ws [--proxy http://USER:PASSWORD@PROXY] [--down URL]";

/// The command line.
struct Options {
    url: String,
    library: Library,
    proxy: Option<Proxy>,
    down: Option<String>,
}

fn parse(mut args: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options {
        url: args.next()?,
        library: Library::named(&args.next()?)?,
        proxy: None,
        down: None,
    };
    while let Some(name) = args.next() {
        match name.as_str() {
            "--proxy" => options.proxy = Some(Proxy::new(&args.next()?).ok()?),
            "--down" => options.down = Some(args.next()?),
            _ => return None,
        }
    }
    Some(options)
}

fn main() -> ExitCode {
    let Some(Options {
        url,
        library,
        proxy,
        down,
    }) = parse(env::args().skip(1))
    else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let every = env::var("EVERY").ok().and_then(|every| every.parse().ok()).unwrap_or(1);
    let checks = CHECKS
        .iter()
        .map(|(name, check)| ((*name).to_owned(), Box::new(check) as Check))
        .chain(compressed::checks(library, every));
    for (number, (name, check)) in checks.enumerate() {
        let (done, outcome) = mpsc::channel();
        let server = Server {
            url: url.clone(),
            proxy: proxy.clone(),
            down: down.clone(),
            next_id: Cell::new(100 * number),
        };
        // In a thread, so that the timeout covers all blocking calls.
        thread::spawn(move || done.send(check(&server)));
        let failure = match outcome.recv_timeout(CHECK_TIMEOUT) {
            Ok(Ok(())) => {
                println!("ok - {name}");
                continue;
            }
            Ok(Err(failure)) => match failure.downcast::<Skip>() {
                Ok(skip) => {
                    println!("skipped - {name}: {}", skip.0);
                    continue;
                }
                Err(failure) => failure.to_string(),
            },
            Err(RecvTimeoutError::Timeout) => format!("not done within {CHECK_TIMEOUT:?}"),
            Err(RecvTimeoutError::Disconnected) => "panic".to_owned(),
        };
        println!("not ok - {name}: {failure}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The reason why a check does not apply to this server.
#[derive(Debug)]
struct Skip(&'static str);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl error::Error for Skip {}

struct Server {
    url: String,
    /// With credentials.
    proxy: Option<Proxy>,
    /// Of a server that does not run, behind a reverse proxy.
    down: Option<String>,
    next_id: Cell<usize>,
}

impl Server {
    /// Opens a connection. Returns its ID too.
    fn open(&self, path: &str) -> Result<(Tcp, usize), Failure> {
        self.open_with(path, Config::default())
    }

    fn open_with(&self, path: &str, config: Config) -> Result<(Tcp, usize), Failure> {
        let (request, id) = self.request(path)?;
        let (ws, _) = self.connect(&request, config)?;
        Ok((ws, id))
    }

    /// Connects, through the proxy if there is one.
    fn connect(&self, request: &ClientRequest, config: Config) -> Result<(Tcp, Response<'static>), Error> {
        let options = ConnectOptions::new().settings(config).proxy(self.proxy.clone());
        std_net::connect_with(request, options)
    }

    /// Creates the request of a new connection. Returns its ID too.
    fn request(&self, path: &str) -> Result<(ClientRequest, usize), Failure> {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        Ok((ClientRequest::new(&format!("{}{path}/{id}", self.url))?, id))
    }

    fn echoes<const N: usize>(&self, messages: [Message<'static>; N]) -> Result<(), Failure> {
        let (mut ws, _) = self.open("echo")?;
        for message in messages {
            ws.send(message.clone())?;
            check_equal("the echo", ws.recv()?, Some(message))?;
        }
        close_cleanly(&mut ws)
    }

    /// Checks how a connection ended at the server: clean or not, the code, the
    /// reason.
    fn check_ending(&self, id: usize, expected: &str) -> Result<(), Failure> {
        let (mut ws, _) = self.open("script")?;
        ws.send(format!("ended {id}"))?;
        check_equal("the close_status at the server", ws.recv()?, Some(text(expected)))?;
        close_cleanly(&mut ws)
    }
}

fn text(text: impl Into<String>) -> Message<'static> {
    Message::from(text.into())
}

fn long_text(len: usize) -> String {
    let mut text = "0123456789 äöü €\n".repeat(len / 22);
    while text.len() < len {
        text.push('.');
    }
    text
}

fn binary(len: usize) -> Message<'static> {
    // The second factor keeps shifted data from looking right.
    Message::Binary((0..len).map(|i| (i ^ (i >> 8).wrapping_mul(7)) as u8).collect())
}

fn check_equal<T: Debug + PartialEq>(what: &str, got: T, expected: T) -> Result<(), Failure> {
    if got == expected {
        return Ok(());
    }
    let shortened = |value: T| {
        let text = format!("{value:?}");
        let len = text.len();
        if len > 200 {
            format!("{}... ({len} characters)", text.chars().take(200).collect::<String>())
        } else {
            text
        }
    };
    Err(format!("{what}: {}, not {}", shortened(got), shortened(expected)).into())
}

/// Closes the connection and checks that it ends cleanly.
fn close_cleanly(ws: &mut Tcp) -> Result<(), Failure> {
    ws.close(CloseCode::NORMAL, "")?;
    check_equal("after close", ws.recv()?, None)?;
    check_equal("clean", close_status(ws)?.is_clean(), true)
}

fn close_status(ws: &Tcp) -> Result<&CloseStatus, Failure> {
    Ok(ws.close_status().ok_or("no close status")?)
}

/// Checks the close status of the client.
fn check_close_status(ws: &Tcp, by: ClosedBy, clean: bool, code: u16, reason: &str) -> Result<(), Failure> {
    let status = close_status(ws)?;
    let got = (status.by, status.is_clean(), status.code().0, status.reason());
    check_equal("close status", got, (by, clean, code, reason))
}

fn boundary_sizes(server: &Server) -> Result<(), Failure> {
    let sizes = [125, 126, 127, 65535, 65536];
    server.echoes(sizes.map(binary))?;
    server.echoes(sizes.map(|size| text(long_text(size))))
}

fn fragmented(server: &Server, kind: MessageKind) -> Result<(), Failure> {
    let (mut ws, _) = server.open("echo")?;
    let whole = "ein € in Stücken, und eines davon leer";
    // The euro sign is divided between two fragments.
    let (first, second) = whole.as_bytes().split_at(5);
    let (engine, out) = ws.engine_mut();
    engine.send_fragment(kind, first, false, out)?;
    engine.ping(b"between", out)?;
    engine.send_fragment(kind, b"", false, out)?;
    engine.send_fragment(kind, second, true, out)?;
    ws.flush()?;
    let echo = match kind {
        MessageKind::Text => Event::Text(whole.into()),
        MessageKind::Binary => Event::Binary(whole.as_bytes().into()),
    };
    check_equal("first", ws.recv_event()?, Some(Event::Pong(b"between".into())))?;
    check_equal("second", ws.recv_event()?, Some(echo))?;
    close_cleanly(&mut ws)
}

fn many_fragments(server: &Server) -> Result<(), Failure> {
    let config = Config::new().fragment_size(1000.try_into().ok());
    let (mut ws, _) = server.open_with("echo", config)?;
    for message in [text(long_text(300_000)), binary(300_001)] {
        ws.send(message.clone())?;
        check_equal("the echo", ws.recv()?, Some(message))?;
    }
    close_cleanly(&mut ws)
}

fn fragments_from_server(server: &Server) -> Result<(), Failure> {
    let (mut ws, _) = server.open("script")?;
    ws.send("fragments")?;
    // The Ping arrives first, so it was sent between fragments.
    check_equal("first", ws.recv_event()?, Some(Event::Ping(b"between".into())))?;
    check_equal(
        "second",
        ws.recv_event()?,
        Some(Event::Text("three € in fragments".into())),
    )?;
    close_cleanly(&mut ws)
}

fn pings(server: &Server) -> Result<(), Failure> {
    let (mut ws, _) = server.open("echo")?;
    for payload in [&b"are you there"[..], b"", &[0xFF; 125]] {
        ws.ping(payload)?;
        check_equal("the Pong", ws.recv_event()?, Some(Event::Pong(payload.into())))?;
    }
    close_cleanly(&mut ws)
}

fn pings_from_server(server: &Server) -> Result<(), Failure> {
    let (mut ws, _) = server.open("script")?;
    for payload in ["are you there", "x", &"ab".repeat(62)] {
        ws.send(format!("ping {payload}"))?;
        check_equal("first", ws.recv_event()?, Some(Event::Ping(payload.as_bytes().into())))?;
        // The server confirms the Pong.
        let confirmation = format!("pong {payload}").into();
        check_equal("second", ws.recv_event()?, Some(Event::Text(confirmation)))?;
    }
    close_cleanly(&mut ws)
}

fn message(number: usize) -> Message<'static> {
    if number % 2 == 0 {
        text(format!("{number}: {}", "é".repeat(number)))
    } else {
        binary(number)
    }
}

fn pipelined(server: &Server) -> Result<(), Failure> {
    let (mut ws, _) = server.open("echo")?;
    for number in 0..200 {
        ws.feed(message(number))?;
    }
    for number in 0..200 {
        check_equal("in order", ws.recv()?, Some(message(number)))?;
    }
    close_cleanly(&mut ws)
}

/// The messages exceed the buffers, so both directions must work at the same time.
fn pipelined_halves(server: &Server) -> Result<(), Failure> {
    const LEN: usize = 100_000;
    let (ws, _) = server.open("echo")?;
    let (mut reader, writer) = ws.split()?;
    let sending = writer.clone();
    let sender = thread::spawn(move || (0..200).try_for_each(|number| sending.send(binary(LEN + number))));
    for number in 0..200 {
        check_equal("in order", reader.recv()?, Some(binary(LEN + number)))?;
    }
    sender.join().map_err(|_| "panic")??;
    writer.close(CloseCode::NORMAL, "")?;
    check_equal("after close", reader.recv()?, None)?;
    let clean = reader.close_status().is_some_and(|status| status.is_clean());
    check_equal("clean", clean, true)
}

fn request_with_subprotocols(server: &Server, subprotocols: &[&str]) -> Result<ClientRequest, Failure> {
    let (request, _) = server.request("echo")?;
    Ok(subprotocols
        .iter()
        .fold(request, |request, name| request.subprotocol(*name)))
}

fn check_subprotocol(server: &Server, offers: &[&str], expected: Option<&str>) -> Result<(), Failure> {
    let (mut ws, response) = server.connect(&request_with_subprotocols(server, offers)?, Config::default())?;
    check_equal("subprotocol", response.subprotocol(), expected)?;
    close_cleanly(&mut ws)
}

fn subprotocol(server: &Server) -> Result<(), Failure> {
    check_subprotocol(server, &["chat.v1", "chat.v2"], Some("chat.v2"))?;
    check_subprotocol(server, &["other", "chat.v2", "chat.v1"], Some("chat.v2"))?;
    check_subprotocol(server, &["chat.v1"], Some("chat.v1"))
}

fn no_subprotocol(server: &Server) -> Result<(), Failure> {
    check_subprotocol(server, &[], None)?;
    check_subprotocol(server, &["other"], None)?;
    let request = request_with_subprotocols(server, &["other"])?.require_subprotocol(true);
    match server.connect(&request, Config::default()) {
        Err(Error::Protocol(error)) => {
            let expected = ProtocolError::Response(ResponseError::MissingSubprotocol);
            check_equal("error", *error, expected)
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err("opened without the required subprotocol".into()),
    }
}

fn refusal(server: &Server, target: &str) -> Result<Box<Refusal>, Failure> {
    let request = ClientRequest::new(&format!("{}{target}", server.url))?;
    match server.connect(&request, Config::default()) {
        Err(Error::Refused(refusal)) => Ok(refusal),
        Err(error) => Err(error.into()),
        Ok(_) => Err("not refused".into()),
    }
}

/// The status with which the proxy refuses.
fn proxy_status(proxy: Proxy, url: &str) -> Result<u16, Failure> {
    let request = ClientRequest::new(url)?;
    match std_net::connect_with(&request, ConnectOptions::new().proxy(proxy)) {
        Err(Error::Proxy(ProxyError::Refused(refusal))) => Ok(refusal.response.status()),
        Err(error) => Err(error.into()),
        Ok(_) => Err("not refused".into()),
    }
}

fn refused_by_proxy(server: &Server) -> Result<(), Failure> {
    let proxy = server.proxy.as_ref().ok_or(Skip("there is no proxy"))?;
    let anonymous = Proxy::new(&format!("http://{}:{}", proxy.host(), proxy.port()))?;
    check_equal("status", proxy_status(anonymous, &server.url)?, 407)
}

fn nowhere(server: &Server) -> Result<(), Failure> {
    let proxy = server.proxy.clone().ok_or(Skip("there is no proxy"))?;
    let status = proxy_status(proxy, "ws://127.0.0.1:1/")?;
    if !(500..600).contains(&status) {
        return Err(format!("status {status}").into());
    }
    Ok(())
}

fn down(server: &Server) -> Result<(), Failure> {
    let url = server.down.as_ref().ok_or(Skip("there is no reverse proxy"))?;
    match server.connect(&ClientRequest::new(url)?, Config::default()) {
        Err(Error::Refused(refusal)) => {
            let status = refusal.response.status();
            check_equal(
                &format!("status {status}: 502 or 503"),
                [502, 503].contains(&status),
                true,
            )?;
            let body = String::from_utf8_lossy(&refusal.body);
            check_equal(&format!("a page: {body}"), body.contains("html"), true)?;
            check_equal("complete", refusal.is_complete, true)
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err("not refused".into()),
    }
}

fn refused(server: &Server, status: u16, header: &str, value: &str, body: &str) -> Result<(), Failure> {
    let refusal = refusal(server, &format!("refuse/{status}"))?;
    check_equal("status", refusal.response.status(), status)?;
    let got = refusal.response.headers().get(header).map(String::from_utf8_lossy);
    check_equal(header, got, Some(value.into()))?;
    check_equal("body", String::from_utf8_lossy(&refusal.body), body.into())?;
    check_equal("complete", refusal.is_complete, true)
}

fn refused_chunked(server: &Server) -> Result<(), Failure> {
    let refusal = refusal(server, "refuse/chunked")?;
    if refusal.response.status() == 501 {
        return Err(Skip("the library of the server has no chunked responses").into());
    }
    check_equal("status", refusal.response.status(), 503)?;
    let encoding = refusal.response.headers().get("Transfer-Encoding");
    check_equal("encoding", encoding, Some(&b"chunked"[..]))?;
    check_equal("body", String::from_utf8_lossy(&refusal.body), "in two pieces\n".into())?;
    check_equal("complete", refusal.is_complete, true)
}

/// Returns the code that is reported: 1005 if there is none.
fn reported_code(code: Option<u16>) -> u16 {
    code.unwrap_or(CloseCode::NO_STATUS.0)
}

fn close(server: &Server, code: Option<u16>, reason: &str) -> Result<(), Failure> {
    let (mut ws, id) = server.open("echo")?;
    ws.close(code.map(CloseCode), reason)?;
    check_equal("then", ws.recv()?, None)?;
    // The libraries may repeat the reason.
    let echoed = close_status(&ws)?.reason().to_owned();
    check_close_status(&ws, ClosedBy::Us, true, reported_code(code), &echoed)?;
    server.check_ending(id, &format!("clean {} {reason}", reported_code(code)))
}

fn close_by_server(server: &Server, code: Option<u16>, reason: &str) -> Result<(), Failure> {
    let (mut ws, id) = server.open("script")?;
    match code {
        Some(code) => ws.send(format!("close {code} {reason}"))?,
        None => ws.send("close")?,
    }
    let close = code.map(|code| sockless::CloseFrame::new(code, reason));
    check_equal("the Close", ws.recv_event()?, Some(Event::Close(close)))?;
    check_end(&mut ws, code.is_none_or(|code| code == 1000))?;
    check_close_status(&ws, ClosedBy::Peer, true, reported_code(code), reason)?;
    // `sockless` repeats the code without the reason.
    server.check_ending(id, &format!("clean {} ", reported_code(code)))
}

/// Checks that a connection that the peer closed has ended, with success or with an error.
fn check_end(ws: &mut Tcp, is_success: bool) -> Result<(), Failure> {
    match ws.recv() {
        Ok(None) if is_success => Ok(()),
        Err(Error::Closed(_)) if !is_success => Ok(()),
        other => Err(format!("{other:?}, success: {is_success}").into()),
    }
}

fn dropped_by_client(server: &Server) -> Result<(), Failure> {
    let (ws, id) = server.open("echo")?;
    drop(ws);
    server.check_ending(id, "unclean 1006 ")
}

fn dropped_by_server(server: &Server) -> Result<(), Failure> {
    let (mut ws, _) = server.open("script")?;
    ws.send("drop")?;
    check_error(&mut ws, ProtocolError::UnexpectedEof)?;
    check_close_status(&ws, ClosedBy::Transport, false, 1006, "")
}

fn check_error(ws: &mut Tcp, expected: ProtocolError) -> Result<(), Failure> {
    match ws.recv() {
        Err(Error::Protocol(error)) => check_equal("error", *error, expected),
        other => Err(format!("{other:?}, not the error {expected:?}").into()),
    }
}

fn over_own_limit(server: &Server) -> Result<(), Failure> {
    let config = Config::new().max_message_size(65536);
    let (mut ws, id) = server.open_with("script", config)?;
    ws.send("binary 65536")?;
    match ws.recv()? {
        Some(Message::Binary(data)) => check_equal("size", data.len(), 65536)?,
        other => return Err(format!("{other:?}, not the message of 65536 bytes").into()),
    }
    ws.send("binary 65537")?;
    let too_big = ProtocolError::MessageTooBig {
        size: Some(65537),
        limit: 65536,
    };
    check_error(&mut ws, too_big)?;
    check_close_status(&ws, ClosedBy::Us, false, 1006, "")?;
    server.check_ending(id, "clean 1009 ")
}

fn over_server_limit(server: &Server) -> Result<(), Failure> {
    let (mut ws, _) = server.open("echo")?;
    match ws.send(binary((2 << 20) + 1)) {
        // The server may close the transport while the message is written.
        Ok(()) | Err(Error::Io(_)) => {}
        Err(error) => return Err(error.into()),
    }
    check_end(&mut ws, false)?;
    let reason = close_status(&ws)?.reason().to_owned();
    check_close_status(&ws, ClosedBy::Peer, true, 1009, &reason)
}

fn invalid_utf8(server: &Server) -> Result<(), Failure> {
    let (mut ws, id) = server.open("script")?;
    ws.send("invalid")?;
    check_error(&mut ws, ProtocolError::InvalidUtf8)?;
    check_close_status(&ws, ClosedBy::Us, false, 1006, "")?;
    server.check_ending(id, "clean 1007 ")
}
