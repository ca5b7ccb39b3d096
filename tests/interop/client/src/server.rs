//! A server with `sockless` for the clients of other libraries. It has the functions that the echo
//! server does not have.
//!
//! * `/refuse/STATUS` refuses the handshake.
//! * `/echo/ID` echoes.
//! * `/deflate/SETTINGS` echoes with permessage-deflate, whatever the size. The settings, separated
//!   by commas, are: the sides without context takeover (`server`, `client`, `server+client`), the
//!   window bits of the server, and those of the client. `-` stands for the default.
//! * `/script/ID` executes the commands in text messages: `ping PAYLOAD`, `fragments`,
//!   `close [CODE [REASON]]`, `drop`, and `ended ID`, which returns how the connection with that ID
//!   ended at this server.

use std::{
    collections::HashMap,
    error,
    io::{self, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use sockless::{
    Accept, CloseCode, Config, Event, Message, MessageKind,
    adapter::{
        Error,
        std_net::{self, Incoming, WebSocket},
    },
    deflate::{DeflateConfig, WindowBits},
};

/// The maximum time without input from a client.
const TIMEOUT: Duration = Duration::from_secs(20);

/// In the order of preference.
const SUBPROTOCOLS: [&str; 2] = ["chat.v2", "chat.v1"];

type Tcp = WebSocket<TcpStream>;

/// How connections ended, by ID.
#[derive(Default)]
struct Endings {
    by_id: Mutex<HashMap<String, String>>,
    added: Condvar,
}

impl Endings {
    fn add(&self, id: &str, ending: String) {
        self.by_id.lock().unwrap().insert(id.to_owned(), ending);
        self.added.notify_all();
    }

    /// Waits until the connection has ended: the client may know of the end before this server
    /// does.
    fn wait_for(&self, id: &str) -> String {
        let endings = self.by_id.lock().unwrap();
        let (endings, _) = self
            .added
            .wait_timeout_while(endings, TIMEOUT / 2, |endings| !endings.contains_key(id))
            .unwrap();
        endings.get(id).map_or("not yet", String::as_str).to_owned()
    }
}

fn main() -> Result<(), Box<dyn error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on ws://{}/", listener.local_addr()?);
    std::io::stdout().flush()?;
    let endings = Arc::new(Endings::default());
    for tcp in listener.incoming() {
        let (tcp, endings) = (tcp?, Arc::clone(&endings));
        thread::spawn(move || {
            if let Err(error) = serve(tcp, &endings) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn serve(tcp: TcpStream, endings: &Endings) -> Result<(), Error> {
    tcp.set_read_timeout(Some(TIMEOUT))?;
    let config = Config::new().deflate(deflate_settings(&tcp)?);
    let incoming = std_net::incoming(tcp, config)?;
    let target = incoming.request().target().to_owned();
    let (function, argument) = target[1..].split_once('/').unwrap_or((&target[1..], ""));
    if function == "refuse" {
        return refuse(incoming, argument);
    }
    let subprotocol = incoming.request().choose_subprotocol(&SUBPROTOCOLS);
    let mut ws = incoming.accept(&Accept::new().subprotocol(subprotocol).any_origin())?;
    let result = match function {
        "script" => script(&mut ws, endings),
        _ => echo(&mut ws),
    };
    let ending = match ws.close_status() {
        None => "not closed".to_owned(),
        Some(status) => {
            let clean = if status.is_clean() { "clean" } else { "unclean" };
            format!("{:?} {clean} {} {}", status.by, status.code(), status.reason())
        }
    };
    endings.add(argument, ending);
    result
}

/// Returns the settings in the path of the request. The connection needs them before it reads the
/// request, so the request is peeked. The clients of these tests send it in one write.
fn deflate_settings(tcp: &TcpStream) -> io::Result<Option<DeflateConfig>> {
    let mut head = [0; 256];
    let peeked = tcp.peek(&mut head)?;
    let head = String::from_utf8_lossy(&head[..peeked]);
    let Some(settings) = head
        .split(' ')
        .nth(1)
        .and_then(|target| target.strip_prefix("/deflate/"))
    else {
        return Ok(None);
    };
    let mut settings = settings.split(',');
    let mut next = || settings.next().unwrap_or_default();
    let bits = |text: &str| text.parse().ok().and_then(WindowBits::new).unwrap_or(WindowBits::MAX);
    let no_takeover = next();
    let config = DeflateConfig::new()
        .server_no_context_takeover(no_takeover.contains("server"))
        .client_no_context_takeover(no_takeover.contains("client"))
        .server_max_window_bits(bits(next()))
        .client_max_window_bits(bits(next()))
        .threshold(0);
    Ok(Some(config))
}

fn refuse(incoming: Incoming<TcpStream>, status: &str) -> Result<(), Error> {
    match status {
        "401" => incoming.reject(
            401,
            &[("WWW-Authenticate", "Basic realm=\"interop\"")],
            b"authentication required\n",
        ),
        "302" => incoming.reject(302, &[("Location", "/echo/elsewhere")], b"not here\n"),
        _ => incoming.reject(403, &[("X-Reason", "none")], "kein Zutritt für dich\n".as_bytes()),
    }
}

fn echo(ws: &mut Tcp) -> Result<(), Error> {
    while let Some(message) = ws.recv()? {
        ws.send(message)?;
    }
    Ok(())
}

fn script(ws: &mut Tcp, endings: &Endings) -> Result<(), Error> {
    while let Some(message) = ws.recv()? {
        let Message::Text(command) = message else { continue };
        let (command, argument) = command.split_once(' ').unwrap_or((&command, ""));
        match command {
            "ping" => {
                ws.ping(argument.as_bytes())?;
                while let Some(event) = ws.recv_event()? {
                    if let Event::Pong(payload) = event {
                        ws.send(format!("pong {}", String::from_utf8_lossy(&payload)))?;
                        break;
                    }
                }
            }
            "fragments" => {
                let (engine, out) = ws.engine_mut();
                // The euro sign is divided between two fragments.
                engine.send_fragment(MessageKind::Text, b"three \xE2", false, out)?;
                engine.ping(b"between", out)?;
                engine.send_fragment(MessageKind::Text, b"\x82\xAC in frag", false, out)?;
                engine.send_fragment(MessageKind::Text, b"ments", true, out)?;
                ws.flush()?;
            }
            "close" => {
                let (code, reason) = argument.split_once(' ').unwrap_or((argument, ""));
                ws.close(code.parse().ok().map(CloseCode), reason)?;
            }
            "drop" => ws.get_ref().shutdown(Shutdown::Both)?,
            "ended" => ws.send(endings.wait_for(argument))?,
            _ => ws.close(CloseCode::POLICY_VIOLATION, "unknown command")?,
        }
    }
    Ok(())
}
