//! Connections with permessage-deflate: all windows and context takeovers that the library of the
//! server supports, requested by either side.

use std::{
    fmt,
    io::{self, Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use sockless::{
    ClientRequest, CloseCode, Config, Message,
    adapter::{AsMessage, Error, std_net::WebSocket},
    deflate::{DeflateConfig, WindowBits},
};

use crate::{Check, Failure, Function, Server, UNICODE, binary, check_equal, close_cleanly, long_text, text};

/// The library of the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    Websockets,
    Ws,
}

impl Library {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "websockets" => Some(Self::Websockets),
            "ws" => Some(Self::Ws),
            _ => None,
        }
    }
}

/// The parameters that a side requests, or the negotiated ones: of the server, then of the client.
#[derive(Clone, Copy, Default)]
struct Params {
    no_takeover: [bool; 2],
    window_bits: [Option<u8>; 2],
}

/// The notation of `server.py` and `server.js`.
impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.no_takeover {
            [false, false] => "-",
            [true, false] => "server",
            [false, true] => "client",
            [true, true] => "server+client",
        })?;
        self.window_bits.iter().try_for_each(|bits| match bits {
            Some(bits) => write!(f, ",{bits}"),
            None => f.write_str(",-"),
        })
    }
}

impl Params {
    fn config(&self) -> DeflateConfig {
        let bits = |bits: Option<u8>| bits.and_then(WindowBits::new).unwrap_or(WindowBits::MAX);
        let [server_bits, client_bits] = self.window_bits.map(bits);
        let [server_no_takeover, client_no_takeover] = self.no_takeover;
        DeflateConfig::new()
            .server_no_context_takeover(server_no_takeover)
            .client_no_context_takeover(client_no_takeover)
            .server_max_window_bits(server_bits)
            .client_max_window_bits(client_bits)
            .threshold(0)
    }
}

/// The checks. With `every` 17, one of 17 combinations of the parameters is checked.
pub(crate) fn checks(library: Library, every: usize) -> Vec<(String, Check)> {
    let mut checks: Vec<(String, Check)> = vec![(
        "permessage-deflate offered, not negotiated".to_owned(),
        Box::new(|server| not_compressed(server, "echo", DeflateConfig::default())),
    )];
    // zlib has no raw deflater for 8 bits. Node uses one for 9 bits, which refers back at most 250
    // bytes.
    let min_server_bits = if library == Library::Ws { 8 } else { 9 };
    for flags in 0..4 {
        for server_bits in min_server_bits..=15 {
            for client_bits in 8..=15 {
                if (usize::from(flags) * 64 + usize::from(server_bits) * 8 + usize::from(client_bits)) % every > 0 {
                    continue;
                }
                let no_takeover = [flags & 1 != 0, flags & 2 != 0];
                let requested = Params {
                    no_takeover,
                    ..params(server_bits, client_bits)
                };
                let larger = Params {
                    no_takeover,
                    ..params((server_bits + 1).min(15), (client_bits + 1).min(15))
                };
                // The client announces a window of 8 bits as 9.
                let announced = Params {
                    no_takeover,
                    ..params(server_bits.max(9), client_bits.max(9))
                };
                let requests = [
                    ("the client", Params::default(), requested, announced),
                    ("the server", requested, Params::default(), requested),
                    ("both, the server with smaller windows", requested, larger, requested),
                    // `ws` refuses an offer with smaller windows than its setting.
                    ("both, the client with smaller windows", larger, requested, announced),
                ];
                let requests = &requests[..if library == Library::Ws { 3 } else { 4 }];
                let index = usize::from(flags + server_bits + client_bits) % requests.len();
                let (by, server_params, client_params, negotiated) = requests[index];
                checks.push((
                    format!("compressed with {requested}, requested by {by}"),
                    Box::new(move |server| compressed(server, server_params, client_params.config(), negotiated)),
                ));
            }
        }
    }
    // Demands that the server cannot meet.
    let demands: &[(&str, Function)] = match library {
        // It has no deflater for 8 bits.
        Library::Websockets => &[("8 bits demanded from the server: announced as 9", |server| {
            compressed(server, Params::default(), demand(8, false), params(9, 15))
        })],
        Library::Ws => &[
            (
                "a smaller window demanded than that of the server: refused with 400",
                |server| refused(server, "deflate/-,12,15", demand(10, false)),
            ),
            (
                "a smaller window demanded than that of the server: compressed by the fallback offer",
                |server| compressed(server, params(12, 15), demand(10, true), params(12, 15)),
            ),
        ],
    };
    checks.extend(
        demands
            .iter()
            .map(|&(name, check)| (name.to_owned(), Box::new(check) as Check)),
    );
    checks
}

fn params(server_bits: u8, client_bits: u8) -> Params {
    Params {
        window_bits: [Some(server_bits), Some(client_bits)],
        ..Params::default()
    }
}

/// Demands a window from the server.
fn demand(server_bits: u8, fallback: bool) -> DeflateConfig {
    params(server_bits, 15).config().fallback(fallback)
}

fn with(deflate: DeflateConfig) -> Config {
    Config::new().deflate(deflate)
}

fn not_compressed(server: &Server, path: &str, config: DeflateConfig) -> Result<(), Failure> {
    let (request, _) = server.request(path)?;
    let (mut ws, response) = server.connect(&request, with(config))?;
    check_equal("extensions", response.headers().get("Sec-WebSocket-Extensions"), None)?;
    if path != "echo" {
        check_equal("parameters at the server", ws.recv()?, Some(text("nothing")))?;
    }
    let message = text("a".repeat(1000));
    ws.send(message.clone())?;
    check_equal("the echo", ws.recv()?, Some(message))?;
    close_cleanly(&mut ws)
}

fn refused(server: &Server, path: &str, config: DeflateConfig) -> Result<(), Failure> {
    let (request, _) = server.request(path)?;
    match server.connect(&request, with(config)) {
        Err(Error::Refused(refusal)) => check_equal("status", refusal.response.status(), 400),
        Err(error) => Err(error.into()),
        Ok(_) => Err("not refused".into()),
    }
}

/// A stream that counts the bytes read and written.
#[derive(Clone)]
struct CountingStream {
    tcp: Arc<TcpStream>,
    read: Arc<AtomicUsize>,
    written: Arc<AtomicUsize>,
}

impl Read for CountingStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = (&*self.tcp).read(buf)?;
        self.read.fetch_add(len, Ordering::Relaxed);
        Ok(len)
    }
}

impl Write for CountingStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let len = (&*self.tcp).write(buf)?;
        self.written.fetch_add(len, Ordering::Relaxed);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Connects to the server, through the proxy if there is one.
fn connect_tcp(server: &Server, request: &ClientRequest) -> Result<TcpStream, Failure> {
    let Some(proxy) = &server.proxy else {
        return Ok(TcpStream::connect((request.host(), request.port()))?);
    };
    let mut tcp = TcpStream::connect((proxy.host(), proxy.port()))?;
    let mut out = Vec::new();
    let mut tunnel = proxy.connect(request.host(), request.port(), &Config::new(), &mut out)?;
    tcp.write_all(&out)?;
    let mut buffer = [0; 1024];
    loop {
        let read = tcp.read(&mut buffer)?;
        if read == 0 {
            return Err("the proxy closed the connection".into());
        }
        let mut input = &mut buffer[..read];
        if tunnel.receive(&mut input)?.is_some() {
            // The server waits for the request.
            check_equal("bytes after the response of the proxy", input.len(), 0)?;
            return Ok(tcp);
        }
    }
}

/// Checks the negotiated parameters, exchanges all messages, and checks that they were compressed.
fn compressed(server: &Server, requested: Params, config: DeflateConfig, negotiated: Params) -> Result<(), Failure> {
    let (request, _) = server.request(&format!("deflate/{requested}"))?;
    let tcp = connect_tcp(server, &request)?;
    tcp.set_nodelay(true)?;
    let stream = CountingStream {
        tcp: Arc::new(tcp),
        read: Arc::default(),
        written: Arc::default(),
    };
    let (mut ws, _) = WebSocket::client(stream.clone(), &request, with(config))?;
    check_equal(
        "parameters at the server",
        ws.recv()?,
        Some(text(negotiated.to_string())),
    )?;

    let messages = Arc::new(mixed_messages());
    let (mut reader, writer) = ws.split_with(|stream| Ok((stream.clone(), stream)))?;
    let sender = thread::spawn({
        let (messages, writer) = (Arc::clone(&messages), writer.clone());
        move || messages.iter().try_for_each(|message| writer.send(message.clone()))
    });
    for (number, message) in messages.iter().enumerate() {
        check_equal(&format!("echo {number}"), reader.recv()?.as_ref(), Some(message))?;
    }
    sender.join().map_err(|_| "panic")??;
    writer.close(CloseCode::NORMAL, "")?;
    check_equal("after close", reader.recv()?, None)?;
    check_equal(
        "clean",
        reader.close_status().is_some_and(|status| status.is_clean()),
        true,
    )?;

    let plain: usize = messages.iter().map(len).sum();
    for (what, count) in [("read", &stream.read), ("written", &stream.written)] {
        let count = count.load(Ordering::Relaxed);
        // This holds for all windows.
        check_equal(
            &format!("{count} bytes {what} of {plain}: smaller"),
            10 * count < 7 * plain,
            true,
        )?;
    }
    Ok(())
}

fn len(message: &Message<'static>) -> usize {
    match message.as_message() {
        Message::Text(text) => text.len(),
        Message::Binary(data) => data.len(),
    }
}

/// Returns 200 messages of all kinds and sizes, with repetitions at distances around the size of
/// every window.
fn mixed_messages() -> Vec<Message<'static>> {
    let mut state = 7692_u32;
    let mut random = |len: usize| -> Vec<u8> {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..len).map(|_| next()).collect()
    };
    let mut messages = Vec::new();
    for n in 0..25 {
        let distance = (1 << (8 + n / 3)) + n % 3 - 1;
        // Random, so that it has no long repetitions, and of few letters, so that it compresses all
        // the same.
        let letters: String = random(distance)
            .iter()
            .map(|byte| char::from(b'a' + byte % 16))
            .collect();
        let numbers = vec![n.to_string(); n].join(", ");
        messages.extend([
            if n % 2 == 0 { text("") } else { binary(0) },
            Message::from(vec![n as u8]),
            text(format!(
                "{{\"id\": {n}, \"user\": \"guest {n}\", \"tags\": [{numbers}]}}"
            )),
            text(UNICODE.repeat(n % 5 + 1)),
            Message::from(random(60 * n)),
            text(letters.clone()),
            Message::from(letters.into_bytes()),
            match n % 3 {
                0 => text(long_text(3500 * n)),
                1 => Message::from(random(distance).repeat(2)),
                _ => binary(3000 * n),
            },
        ]);
    }
    messages
}
