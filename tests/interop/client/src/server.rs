//! What the clients of other libraries need of our server and an echo server cannot do.
//!
//! * `/refuse/STATUS` refuses the handshake.
//! * `/echo/ID` echoes.
//! * `/deflate/SETTINGS` echoes with permessage-deflate, whatever the size. The settings are, separated by commas: who
//!   has no context takeover (`server`, `client`, `server+client`), the server's window bits, the client's; `-` for a
//!   default.
//! * `/script/ID` does what text messages say: `ping PAYLOAD`, `fragments`, `close [CODE [REASON]]`, `drop`, and
//!   `ended ID`: how the connection with that ID ended, as our side saw it.

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

/// No client of these tests is silent for so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// In the order of our preference.
const SUBPROTOCOLS: [&str; 2] = ["chat.v2", "chat.v1"];

type Tcp = WebSocket<TcpStream>;

/// How connections ended, by ID.
#[derive(Default)]
struct Ended {
    endings: Mutex<HashMap<String, String>>,
    added: Condvar,
}

impl Ended {
    fn add(&self, id: &str, ending: String) {
        self.endings.lock().unwrap().insert(id.to_owned(), ending);
        self.added.notify_all();
    }

    /// Waits for it: the client may know the end before our side does.
    fn of(&self, id: &str) -> String {
        let endings = self.endings.lock().unwrap();
        let (endings, _) = self
            .added
            .wait_timeout_while(endings, PATIENCE / 2, |endings| !endings.contains_key(id))
            .unwrap();
        endings.get(id).map_or("not yet", String::as_str).to_owned()
    }
}

fn main() -> Result<(), Box<dyn error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on ws://{}/", listener.local_addr()?);
    std::io::stdout().flush()?;
    let ended = Arc::new(Ended::default());
    for tcp in listener.incoming() {
        let (tcp, ended) = (tcp?, Arc::clone(&ended));
        thread::spawn(move || {
            if let Err(error) = serve(tcp, &ended) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn serve(tcp: TcpStream, ended: &Ended) -> Result<(), Error> {
    tcp.set_read_timeout(Some(PATIENCE))?;
    let config = Config::new().deflate(deflate_settings(&tcp)?);
    let incoming = std_net::incoming(tcp, config)?;
    let target = incoming.request().target().to_owned();
    let (what, argument) = target[1..].split_once('/').unwrap_or((&target[1..], ""));
    if what == "refuse" {
        return refuse(incoming, argument);
    }
    let subprotocol = incoming.request().choose_subprotocol(&SUBPROTOCOLS);
    let mut ws = incoming.accept(&Accept::new().subprotocol(subprotocol))?;
    let result = match what {
        "script" => script(&mut ws, ended),
        _ => echo(&mut ws),
    };
    let ending = match ws.close_status() {
        None => "no end".to_owned(),
        Some(status) => {
            let clean = if status.is_clean() { "clean" } else { "unclean" };
            format!("{:?} {clean} {} {}", status.by, status.code(), status.reason())
        }
    };
    ended.add(argument, ending);
    result
}

/// The settings that the path asks for. They are needed before the handshake is read; the clients of these tests send
/// the whole of their request at once.
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
        "401" => incoming.reject(401, &[("WWW-Authenticate", "Basic realm=\"interop\"")], b"who is it?\n"),
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

fn script(ws: &mut Tcp, ended: &Ended) -> Result<(), Error> {
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
                // The euro sign is cut.
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
            "ended" => ws.send(ended.of(argument))?,
            _ => ws.close(CloseCode::POLICY_VIOLATION, "unknown command")?,
        }
    }
    Ok(())
}
