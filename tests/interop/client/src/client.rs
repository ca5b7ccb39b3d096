//! Our client against a server of another library: `interop_client ws://ADDRESS/ LIBRARY`. See `../../run`, and
//! `server.py` and `server.js` for what the paths mean.

mod compressed;

use std::{
    cell::Cell,
    env, error,
    fmt::Debug,
    net::TcpStream,
    process::ExitCode,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use sockless::{
    ClientRequest, CloseCode, CloseStatus, ClosedBy, Config, Event, Message, MessageKind, ProtocolError,
    adapter::{
        Error,
        std_net::{self, WebSocket},
    },
    error::ResponseError,
    handshake::Refusal,
};

use self::compressed::Library;

/// No check takes so long, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

const UNICODE: &str = "naïve Ωμέγα 日本語 \u{1F980} \u{10FFFF} \0";

/// The longest there may be: 123 bytes.
const LONG_REASON: &str = "ändern, bleiben, gehen: was auch immer; this reason is as long as a reason may be, to the very \
                           last byte of its 123 bytes.";

type Failure = Box<dyn error::Error + Send + Sync>;
type Tcp = WebSocket<TcpStream>;
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
    ("fragmented text, a ping between", |s| fragmented(s, MessageKind::Text)),
    ("fragmented binary, a ping between", |s| {
        fragmented(s, MessageKind::Binary)
    }),
    ("many small fragments", many_fragments),
    ("fragments from the server, a ping between", fragments_from_server),
    ("pings by the client", pings),
    ("pings by the server", pings_from_server),
    ("200 messages without waiting", pipelined),
    ("200 messages from another thread", pipelined_halves),
    ("subprotocol: the server's preference", subprotocol),
    ("subprotocol: none in common", no_subprotocol),
    ("refused with 401", |s| {
        refused(s, 401, "WWW-Authenticate", "Basic realm=\"interop\"", "who is it?\n")
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
    ("connection lost by the client", lost_by_client),
    ("connection lost by the server", lost_by_server),
    ("message over our limit: 1009", over_our_limit),
    ("message over their limit: 1009", over_their_limit),
    ("invalid UTF-8: 1007", invalid_utf8),
];

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let (Some(url), Some(library)) = (args.next(), args.next().and_then(|name| Library::named(&name))) else {
        eprintln!("usage: interop_client ws://ADDRESS/ websockets|ws");
        return ExitCode::from(2);
    };
    let checks = CHECKS
        .iter()
        .map(|(name, check)| ((*name).to_owned(), Box::new(check) as Check))
        .chain(compressed::checks(library));
    for (number, (name, check)) in checks.enumerate() {
        let (done, outcome) = mpsc::channel();
        let server = Server {
            url: url.clone(),
            next_id: Cell::new(100 * number),
        };
        // In a thread, because nothing else bounds every wait.
        thread::spawn(move || done.send(check(&server)));
        let failure = match outcome.recv_timeout(LIMIT) {
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
            Err(RecvTimeoutError::Timeout) => format!("not done within {LIMIT:?}"),
            Err(RecvTimeoutError::Disconnected) => "panic".to_owned(),
        };
        println!("not ok - {name}: {failure}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// A check that this server cannot take part in.
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
    next_id: Cell<usize>,
}

impl Server {
    /// A new connection, and its ID.
    fn open(&self, path: &str) -> Result<(Tcp, usize), Failure> {
        self.open_with(path, Config::default())
    }

    fn open_with(&self, path: &str, config: Config) -> Result<(Tcp, usize), Failure> {
        let (request, id) = self.request(path)?;
        let (ws, _) = std_net::connect_with(&request, config)?;
        Ok((ws, id))
    }

    /// A request for a new connection, and its ID.
    fn request(&self, path: &str) -> Result<(ClientRequest, usize), Failure> {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        Ok((ClientRequest::new(&format!("{}{path}/{id}", self.url))?, id))
    }

    fn echoes<const N: usize>(&self, messages: [Message<'static>; N]) -> Result<(), Failure> {
        let (mut ws, _) = self.open("echo")?;
        for message in messages {
            ws.send(message.clone())?;
            same("the echo", ws.recv()?, Some(message))?;
        }
        bye(&mut ws)
    }

    /// How a connection ended as the server saw it: clean or not, the code, the reason.
    fn saw(&self, id: usize, expected: &str) -> Result<(), Failure> {
        let (mut ws, _) = self.open("script")?;
        ws.send(format!("ended {id}"))?;
        same("what the server saw", ws.recv()?, Some(text(expected)))?;
        bye(&mut ws)
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

fn same<T: Debug + PartialEq>(what: &str, got: T, expected: T) -> Result<(), Failure> {
    if got == expected {
        return Ok(());
    }
    let brief = |value: T| {
        let text = format!("{value:?}");
        let len = text.len();
        if len > 200 {
            format!("{}... ({len} characters)", text.chars().take(200).collect::<String>())
        } else {
            text
        }
    };
    Err(format!("{what}: {}, not {}", brief(got), brief(expected)).into())
}

/// Closes, so that each connection of each check ends well.
fn bye(ws: &mut Tcp) -> Result<(), Failure> {
    ws.close(CloseCode::NORMAL, "")?;
    same("after close", ws.recv()?, None)?;
    same("clean", ending(ws)?.is_clean(), true)
}

fn ending(ws: &Tcp) -> Result<&CloseStatus, Failure> {
    Ok(ws.close_status().ok_or("no close status")?)
}

/// What our side has to say about an end.
fn ended(ws: &Tcp, by: ClosedBy, clean: bool, code: u16, reason: &str) -> Result<(), Failure> {
    let status = ending(ws)?;
    let got = (status.by, status.is_clean(), status.code().0, status.reason());
    same("close status", got, (by, clean, code, reason))
}

fn boundary_sizes(server: &Server) -> Result<(), Failure> {
    let sizes = [125, 126, 127, 65535, 65536];
    server.echoes(sizes.map(binary))?;
    server.echoes(sizes.map(|size| text(long_text(size))))
}

fn fragmented(server: &Server, kind: MessageKind) -> Result<(), Failure> {
    let (mut ws, _) = server.open("echo")?;
    let whole = "ein € in Stücken, und eines davon leer";
    // The euro sign is cut.
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
    same("first", ws.recv_event()?, Some(Event::Pong(b"between".into())))?;
    same("second", ws.recv_event()?, Some(echo))?;
    bye(&mut ws)
}

fn many_fragments(server: &Server) -> Result<(), Failure> {
    let config = Config::new().fragment_size(1000.try_into().ok());
    let (mut ws, _) = server.open_with("echo", config)?;
    for message in [text(long_text(300_000)), binary(300_001)] {
        ws.send(message.clone())?;
        same("the echo", ws.recv()?, Some(message))?;
    }
    bye(&mut ws)
}

fn fragments_from_server(server: &Server) -> Result<(), Failure> {
    let (mut ws, _) = server.open("script")?;
    ws.send("fragments")?;
    // That the ping is the first to arrive tells that there were fragments around it.
    same("first", ws.recv_event()?, Some(Event::Ping(b"between".into())))?;
    same(
        "second",
        ws.recv_event()?,
        Some(Event::Text("three € in fragments".into())),
    )?;
    bye(&mut ws)
}

fn pings(server: &Server) -> Result<(), Failure> {
    let (mut ws, _) = server.open("echo")?;
    for payload in [&b"are you there"[..], b"", &[0xFF; 125]] {
        ws.ping(payload)?;
        same("the answer", ws.recv_event()?, Some(Event::Pong(payload.into())))?;
    }
    bye(&mut ws)
}

fn pings_from_server(server: &Server) -> Result<(), Failure> {
    let (mut ws, _) = server.open("script")?;
    for payload in ["are you there", "x", &"ab".repeat(62)] {
        ws.send(format!("ping {payload}"))?;
        same("first", ws.recv_event()?, Some(Event::Ping(payload.as_bytes().into())))?;
        // The server says so when it has the pong.
        let heard = format!("pong {payload}").into();
        same("second", ws.recv_event()?, Some(Event::Text(heard)))?;
    }
    bye(&mut ws)
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
        same("in order", ws.recv()?, Some(message(number)))?;
    }
    bye(&mut ws)
}

/// So much that it works only if both directions flow at once.
fn pipelined_halves(server: &Server) -> Result<(), Failure> {
    const LEN: usize = 100_000;
    let (ws, _) = server.open("echo")?;
    let (mut reader, writer) = ws.split()?;
    let sending = writer.clone();
    let sender = thread::spawn(move || (0..200).try_for_each(|number| sending.send(binary(LEN + number))));
    for number in 0..200 {
        same("in order", reader.recv()?, Some(binary(LEN + number)))?;
    }
    sender.join().map_err(|_| "panic")??;
    writer.close(CloseCode::NORMAL, "")?;
    same("after close", reader.recv()?, None)?;
    let clean = reader.close_status().is_some_and(|status| status.is_clean());
    same("clean", clean, true)
}

fn offering(server: &Server, subprotocols: &[&str]) -> Result<ClientRequest, Failure> {
    let (request, _) = server.request("echo")?;
    Ok(subprotocols
        .iter()
        .fold(request, |request, name| request.subprotocol(*name)))
}

fn chosen(server: &Server, offers: &[&str], expected: Option<&str>) -> Result<(), Failure> {
    let (mut ws, response) = std_net::connect_with(&offering(server, offers)?, Config::default())?;
    same("chosen", response.subprotocol(), expected)?;
    bye(&mut ws)
}

fn subprotocol(server: &Server) -> Result<(), Failure> {
    chosen(server, &["chat.v1", "chat.v2"], Some("chat.v2"))?;
    chosen(server, &["other", "chat.v2", "chat.v1"], Some("chat.v2"))?;
    chosen(server, &["chat.v1"], Some("chat.v1"))
}

fn no_subprotocol(server: &Server) -> Result<(), Failure> {
    chosen(server, &[], None)?;
    chosen(server, &["other"], None)?;
    let request = offering(server, &["other"])?.require_subprotocol(true);
    match std_net::connect_with(&request, Config::default()) {
        Err(Error::Protocol(error)) => {
            let expected = ProtocolError::Response(ResponseError::MissingSubprotocol);
            same("error", *error, expected)
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err("open without the subprotocol that it required".into()),
    }
}

fn refusal(server: &Server, target: &str) -> Result<Box<Refusal>, Failure> {
    let request = ClientRequest::new(&format!("{}{target}", server.url))?;
    match std_net::connect_with(&request, Config::default()) {
        Err(Error::Refused(refusal)) => Ok(refusal),
        Err(error) => Err(error.into()),
        Ok(_) => Err("not refused".into()),
    }
}

fn refused(server: &Server, status: u16, header: &str, value: &str, body: &str) -> Result<(), Failure> {
    let refusal = refusal(server, &format!("refuse/{status}"))?;
    same("status", refusal.response.status(), status)?;
    let got = refusal.response.headers().get(header).map(String::from_utf8_lossy);
    same(header, got, Some(value.into()))?;
    same("body", String::from_utf8_lossy(&refusal.body), body.into())?;
    same("complete", refusal.is_complete, true)
}

fn refused_chunked(server: &Server) -> Result<(), Failure> {
    let refusal = refusal(server, "refuse/chunked")?;
    if refusal.response.status() == 501 {
        return Err(Skip("the server's library cannot send one").into());
    }
    same("status", refusal.response.status(), 503)?;
    let encoding = refusal.response.headers().get("Transfer-Encoding");
    same("encoding", encoding, Some(&b"chunked"[..]))?;
    same("body", String::from_utf8_lossy(&refusal.body), "in two pieces\n".into())?;
    same("complete", refusal.is_complete, true)
}

/// The code as it appears in a Close frame's stead when there is none.
fn seen(code: Option<u16>) -> u16 {
    code.unwrap_or(CloseCode::NO_STATUS.0)
}

fn close(server: &Server, code: Option<u16>, reason: &str) -> Result<(), Failure> {
    let (mut ws, id) = server.open("echo")?;
    ws.close(code.map(CloseCode), reason)?;
    same("then", ws.recv()?, None)?;
    // Both libraries repeat the reason too; that is theirs to decide.
    let echoed = ending(&ws)?.reason().to_owned();
    ended(&ws, ClosedBy::Us, true, seen(code), &echoed)?;
    server.saw(id, &format!("clean {} {reason}", seen(code)))
}

fn close_by_server(server: &Server, code: Option<u16>, reason: &str) -> Result<(), Failure> {
    let (mut ws, id) = server.open("script")?;
    match code {
        Some(code) => ws.send(format!("close {code} {reason}"))?,
        None => ws.send("close")?,
    }
    let close = code.map(|code| sockless::CloseFrame::new(code, reason));
    same("the Close", ws.recv_event()?, Some(Event::Close(close)))?;
    same("then", ws.recv()?, None)?;
    ended(&ws, ClosedBy::Peer, true, seen(code), reason)?;
    // We repeat the code alone.
    server.saw(id, &format!("clean {} ", seen(code)))
}

fn lost_by_client(server: &Server) -> Result<(), Failure> {
    let (ws, id) = server.open("echo")?;
    drop(ws);
    server.saw(id, "unclean 1006 ")
}

fn lost_by_server(server: &Server) -> Result<(), Failure> {
    let (mut ws, _) = server.open("script")?;
    ws.send("drop")?;
    fails(&mut ws, ProtocolError::UnexpectedEof)?;
    ended(&ws, ClosedBy::Transport, false, 1006, "")
}

fn fails(ws: &mut Tcp, expected: ProtocolError) -> Result<(), Failure> {
    match ws.recv() {
        Err(Error::Protocol(error)) => same("error", *error, expected),
        other => Err(format!("{other:?}, not an error: {expected:?}").into()),
    }
}

fn over_our_limit(server: &Server) -> Result<(), Failure> {
    let config = Config::new().max_message_size(65536);
    let (mut ws, id) = server.open_with("script", config)?;
    ws.send("binary 65536")?;
    match ws.recv()? {
        Some(Message::Binary(data)) => same("size", data.len(), 65536)?,
        other => return Err(format!("{other:?}, not what just fits").into()),
    }
    ws.send("binary 65537")?;
    let too_big = ProtocolError::MessageTooBig {
        size: Some(65537),
        limit: 65536,
    };
    fails(&mut ws, too_big)?;
    ended(&ws, ClosedBy::Us, false, 1006, "")?;
    server.saw(id, "clean 1009 ")
}

fn over_their_limit(server: &Server) -> Result<(), Failure> {
    let (mut ws, _) = server.open("echo")?;
    match ws.send(binary((2 << 20) + 1)) {
        // They may have hung up in the middle of it.
        Ok(()) | Err(Error::Io(_)) => {}
        Err(error) => return Err(error.into()),
    }
    same("then", ws.recv()?, None)?;
    let reason = ending(&ws)?.reason().to_owned();
    ended(&ws, ClosedBy::Peer, true, 1009, &reason)
}

fn invalid_utf8(server: &Server) -> Result<(), Failure> {
    let (mut ws, id) = server.open("script")?;
    ws.send("invalid")?;
    fails(&mut ws, ProtocolError::InvalidUtf8)?;
    ended(&ws, ClosedBy::Us, false, 1006, "")?;
    server.saw(id, "clean 1007 ")
}
