//! A proxy: passes frames between clients and a server, with their fragments and their compression,
//! and inflates nothing.
//!
//! It sends no Pings of its own: those of the two ends pass through, and so do the answers.
//! If neither end sends any, a link stays for as long as both TCP connections do: a machine that
//! has gone without closing them is noticed when something is written to it. An end that takes
//! nothing for a minute while something waits for it is lost, and the other end gets a Close frame.
//!
//! ```text
//! cargo run --release --bin proxy -- ws://127.0.0.1:9001
//! ```

use std::{io, process::ExitCode, str, time::Duration};

use sockless::{
    Accept, ClientRequest, Config, Relay, Request, Role, Teardown,
    adapter::{
        self, Error, Parts,
        tokio::{Incoming, WebSocket},
    },
    error::LocalHandshakeError,
    handshake::{Refusal, Response},
};
use sockless_applications::{AnyError, bind, run_async, serve_each, usage};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Instant, timeout_at},
};

const HELP: &str = "\
Passes WebSockets on to a server.

usage: proxy [OPTION]... URL

  --listen ADDRESS         where to listen (127.0.0.1:9014); with port 0, on a free port
  --stall-timeout SECONDS  how long an end may take nothing while something waits for it (60)
  URL                      the server: ws://HOST[:PORT]; path and query are those of each request

The Host header that the server gets is its own, so a server that web pages use has to list their
origins.";

type IoParts = Parts<adapter::tokio::Io<TcpStream>>;

/// How long it may take to connect to the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How much is read from a side at a time, in bytes.
const READ_SIZE: usize = 16 << 10;
/// While more bytes than this wait for a side, nothing is read from the other one.
const HIGH_WATER: usize = 64 << 10;
/// How long the closing handshake of a side may take after that of the other one.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a side may take nothing while something waits for it.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Headers of a request that are passed on. The handshake passes on the origin, the subprotocols
/// and the extensions. Of the response that accepts, `Set-Cookie` is passed on.
const PASSED_ON: [&str; 3] = ["authorization", "cookie", "user-agent"];
/// Headers of a refusal that are not passed on: the proxy sends the body in its own way.
const OWN_HEADERS: [&str; 5] = [
    "connection",
    "content-length",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
];

fn main() -> ExitCode {
    run_async("proxy", HELP, |mut args| async move {
        let listen = args.option("--listen", String::from("127.0.0.1:9014"))?;
        let stall_timeout = Duration::from_secs(args.option("--stall-timeout", STALL_TIMEOUT.as_secs())?);
        let server = authority(&args.next::<String>("the URL")?)?;
        args.end()?;
        let listener = bind(&listen).await?;
        println!("listening on ws://{}/", listener.local_addr()?);
        serve_each("proxy", listener, |tcp| pass_on(tcp, server.clone(), stall_timeout)).await;
        Ok(())
    })
}

/// Returns the host and the port in the URL of the server.
fn authority(url: &str) -> Result<String, AnyError> {
    let request = ClientRequest::new(url).map_err(|error| usage(error.to_string()))?;
    match url.trim_end_matches('/').split_once("://") {
        Some((_, authority)) if !request.is_secure() && request.target() == "/" => Ok(authority.to_owned()),
        _ => Err(usage(format!("{url:?} is not of the form ws://HOST[:PORT]"))),
    }
}

/// Opens a connection to the server for that of a client, and passes frames between the two.
async fn pass_on(client: TcpStream, server: String, stall_timeout: Duration) -> Result<(), AnyError> {
    let incoming = adapter::tokio::incoming(client, Config::new()).await?;
    let request = match request_to(&server, incoming.request()) {
        Ok(request) => request,
        Err(error) => {
            let body = b"the proxy passes on requests for a path only\n";
            incoming.reject(400, &[], body).await?;
            return Err(error.into());
        }
    };
    let (server_ws, response) = match connect(&request).await {
        Ok(opened) => opened,
        Err(Error::Refused(refusal)) => return pass_on_refusal(incoming, &refusal).await,
        Err(error) => {
            incoming.reject(502, &[], b"the server cannot be reached\n").await?;
            return Err(error.into());
        }
    };
    let cookies = texts(response.headers().filter(|(name, _)| is_one_of(name, &["set-cookie"])));
    // The server has decided, and it knows the client's origin.
    let accept = Accept::new().any_origin().forwarding(&response).headers(&cookies);
    let client_ws = incoming.accept(&accept).await?;

    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let relay = Relay::new(&Config::new(), seed).negotiated(&response);
    let (link, client, server) = Link::take_over(relay, client_ws.into_parts(), server_ws.into_parts())?;
    link.run(client, server, stall_timeout).await
}

/// Connects to the server over plain TCP: the link reads and writes the sockets itself.
async fn connect(request: &ClientRequest) -> Result<(WebSocket<TcpStream>, Response<'static>), Error> {
    let tcp = adapter::tokio::connect_tcp(request.host(), request.port(), CONNECT_TIMEOUT).await?;
    adapter::tokio::client(tcp, request, Config::new()).await
}

/// Returns the request to the server for that of a client: for the same path and query, and with
/// the same offers.
///
/// The target of a request can also be a URL. `from_parts` refuses it, so a client cannot choose
/// the host that the proxy connects to.
fn request_to(server: &str, request: &Request<'_>) -> Result<ClientRequest, LocalHandshakeError> {
    let mut passed_on = ClientRequest::from_parts(server, request.target())?.forwarding(request);
    for (name, value) in request.headers().filter(|(name, _)| is_one_of(name, &PASSED_ON)) {
        passed_on = passed_on.header(name, String::from_utf8_lossy(value));
    }
    Ok(passed_on)
}

async fn pass_on_refusal(incoming: Incoming<TcpStream>, refusal: &Refusal) -> Result<(), AnyError> {
    let response = &refusal.response;
    let headers = texts(response.headers().filter(|(name, _)| !is_one_of(name, &OWN_HEADERS)));
    Ok(incoming.reject(response.status(), &headers, &refusal.body).await?)
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// Returns those headers whose values are text.
fn texts<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<(&'a str, &'a str)> {
    headers
        .filter_map(|(name, value)| Some((name, str::from_utf8(value).ok()?)))
        .collect()
}

/// A relay with its output.
struct Link {
    relay: Relay,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
    /// The first error of a side.
    error: Option<String>,
}

/// One side of a link.
struct Side {
    role: Role,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    buf: Vec<u8>,
    /// Nothing more can be read.
    is_at_end: bool,
    /// Nothing more can be written.
    is_shut_down: bool,
    /// Since when the output waits without progress. `None`: it is empty, or has just made some.
    stalled_since: Option<Instant>,
}

impl Link {
    /// Takes the connections over: what is to be written to each, and then what has arrived after
    /// the opening handshakes.
    fn take_over(relay: Relay, client: IoParts, server: IoParts) -> Result<(Self, Side, Side), AnyError> {
        if !(client.lossless && server.lossless) {
            return Err("a message was lost in the opening handshake".into());
        }
        let mut link = Self {
            relay,
            to_client: client.unsent,
            to_server: server.unsent,
            error: None,
        };
        for (role, mut unread) in [(Role::Client, client.unread), (Role::Server, server.unread)] {
            link.forward(role, &mut unread);
        }
        let client = Side::new(Role::Client, client.transport.0);
        let server = Side::new(Role::Server, server.transport.0);
        Ok((link, client, server))
    }

    /// Passes on what a side has sent.
    fn forward(&mut self, from: Role, mut input: &mut [u8]) {
        let (to_other, back) = match from {
            Role::Client => (&mut self.to_server, &mut self.to_client),
            Role::Server => (&mut self.to_client, &mut self.to_server),
        };
        // After an error, the output of both sides has a Close frame.
        if let Err(error) = self.relay.forward(from, &mut input, to_other, back) {
            self.error.get_or_insert_with(|| format!("the {}: {error}", name(from)));
        }
    }

    /// Passes frames on until both sides are closed.
    async fn run(mut self, mut client: Side, mut server: Side, stall_timeout: Duration) -> Result<(), AnyError> {
        let mut deadline = None;
        while !(client.is_at_end && server.is_at_end) {
            if [Role::Client, Role::Server].map(|role| self.relay.teardown(role)) != [None, None] {
                deadline.get_or_insert_with(|| Instant::now() + CLOSE_TIMEOUT);
            }
            client.shut_down_if_due(&self.relay, &mut self.to_client).await;
            server.shut_down_if_due(&self.relay, &mut self.to_server).await;
            let stalled = [
                client.stalled_at(&self.to_client, stall_timeout),
                server.stalled_at(&self.to_server, stall_timeout),
            ];
            let next = stalled.into_iter().flatten().chain(deadline).min();
            let step = self.step(&mut client, &mut server);
            let Some(next) = next else {
                step.await;
                continue;
            };
            if timeout_at(next, step).await.is_ok() {
                continue;
            }
            if deadline == Some(next) {
                return Err("a side has not closed its connection in time".into());
            }
            let side = if stalled[0] == Some(next) {
                &mut client
            } else {
                &mut server
            };
            self.end_stalled(side, stall_timeout);
        }
        self.error.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Gives up a side that does not read. The other side gets a Close frame.
    fn end_stalled(&mut self, side: &mut Side, stall_timeout: Duration) {
        let name = name(side.role);
        self.error
            .get_or_insert_with(|| format!("the {name} has taken nothing for {stall_timeout:?}"));
        side.is_shut_down = true;
        side.is_at_end = true;
        self.end_of(side.role);
    }

    /// Reads or writes once, on any side.
    async fn step(&mut self, client: &mut Side, server: &mut Side) {
        let may_read_client = !client.is_at_end && self.to_server.len() < HIGH_WATER;
        let may_read_server = !server.is_at_end && self.to_client.len() < HIGH_WATER;
        let (side, read) = tokio::select! {
            read = client.from.read(&mut client.buf), if may_read_client => (client, read),
            read = server.from.read(&mut server.buf), if may_read_server => (server, read),
            written = client.to.write(&self.to_client), if !self.to_client.is_empty() => {
                return client.written(written, &mut self.to_client);
            }
            written = server.to.write(&self.to_server), if !self.to_server.is_empty() => {
                return server.written(written, &mut self.to_server);
            }
        };
        match read {
            Ok(len @ 1..) => self.forward(side.role, &mut side.buf[..len]),
            // The end, or a reset.
            Ok(0) | Err(_) => {
                side.is_at_end = true;
                self.end_of(side.role);
            }
        }
    }

    /// Notes that a side sends nothing more.
    fn end_of(&mut self, role: Role) {
        let to_other = match role {
            Role::Client => &mut self.to_server,
            Role::Server => &mut self.to_client,
        };
        if let Err(error) = self.relay.receive_eof(role, to_other) {
            self.error.get_or_insert_with(|| format!("the {}: {error}", name(role)));
        }
    }
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

impl Side {
    fn new(role: Role, tcp: TcpStream) -> Self {
        let (from, to) = tcp.into_split();
        Self {
            role,
            from,
            to,
            buf: vec![0; READ_SIZE],
            is_at_end: false,
            is_shut_down: false,
            stalled_since: None,
        }
    }

    fn written(&mut self, written: io::Result<usize>, out: &mut Vec<u8>) {
        match written {
            Ok(len) => {
                out.drain(..len);
                self.stalled_since = None;
            }
            // Reading says why.
            Err(_) => self.is_shut_down = true,
        }
    }

    /// Returns when the side is lost if it takes nothing until then. `None`: nothing waits for it.
    fn stalled_at(&mut self, out: &[u8], stall_timeout: Duration) -> Option<Instant> {
        if out.is_empty() {
            self.stalled_since = None;
            return None;
        }
        Some(*self.stalled_since.get_or_insert_with(Instant::now) + stall_timeout)
    }

    /// Closes the sending side, once that is due and all is written. Discards what cannot be
    /// written.
    async fn shut_down_if_due(&mut self, relay: &Relay, out: &mut Vec<u8>) {
        if relay.teardown(self.role) == Some(Teardown::Close) && out.is_empty() && !self.is_shut_down {
            let _result = self.to.shutdown().await;
            self.is_shut_down = true;
        }
        if self.is_shut_down {
            out.clear();
        }
    }
}
