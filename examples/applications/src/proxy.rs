//! A proxy: passes frames between clients and a server, with their fragments and their compression,
//! and inflates nothing.
//!
//! It sends no Pings of its own: those of the two ends pass through, and so do the answers.
//!
//! ```text
//! cargo run --release --bin proxy -- ws://127.0.0.1:9001
//! ```

use std::{io, process::ExitCode, time::Duration};

use sockless::{
    Accept, ClientRequest, Config, Relay, Role, Teardown,
    adapter::{self, Error, Parts},
    handshake::Refusal,
};
use sockless_applications::{AnyError, bind, run_async, serve_each};
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

usage: proxy [--listen ADDRESS] URL

  --listen ADDRESS  where to listen (127.0.0.1:9014); with port 0, on a free port
  URL               the server: ws://HOST[:PORT]; path and query are those of each request";

/// How much is read from a side at a time, in bytes.
const READ_SIZE: usize = 16 << 10;
/// While more bytes than this wait for a side, nothing is read from the other one.
const HIGH_WATER: usize = 64 << 10;
/// How long the closing handshake of a side may take after that of the other one.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Headers of a request that are passed on. The handshake passes on the origin, the subprotocols
/// and the extensions.
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
        let url = args.next::<String>("the URL")?.trim_end_matches('/').to_owned();
        args.end()?;
        ClientRequest::new(&url)?;
        let listener = bind(&listen).await?;
        println!("listening on ws://{}/", listener.local_addr()?);
        serve_each("proxy", listener, |tcp| pass_on(tcp, url.clone())).await;
        Ok(())
    })
}

/// Opens a connection to the server for that of a client, and passes frames between the two.
async fn pass_on(client: TcpStream, url: String) -> Result<(), AnyError> {
    let incoming = adapter::tokio::incoming(client, Config::new()).await?;
    let request = incoming.request();
    let mut passed_on = ClientRequest::new(&format!("{url}{}", request.target()))?.forwarding(request);
    for (name, value) in request.headers() {
        if PASSED_ON.iter().any(|passed_on| name.eq_ignore_ascii_case(passed_on)) {
            passed_on = passed_on.header(name, String::from_utf8_lossy(value));
        }
    }
    let (server, response) = match adapter::tokio::connect_with(&passed_on, Config::new()).await {
        Ok(opened) => opened,
        Err(Error::Refused(refusal)) => {
            let Refusal { response, body, .. } = *refusal;
            let headers: Vec<_> = response
                .headers()
                .filter(|(name, _)| !OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)))
                .filter_map(|(name, value)| Some((name, std::str::from_utf8(value).ok()?)))
                .collect();
            return Ok(incoming.reject(response.status(), &headers, &body).await?);
        }
        Err(error) => {
            incoming.reject(502, &[], b"the server cannot be reached\n").await?;
            return Err(format!("{url}: {error}").into());
        }
    };
    // The server has decided, and it knows the client's origin.
    let accept = Accept::new().any_origin().forwarding(&response);
    let client = incoming.accept(&accept).await?;

    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let mut link = Link {
        relay: Relay::new(&Config::new(), seed).negotiated(&response),
        to_client: Vec::new(),
        to_server: Vec::new(),
        error: None,
    };
    let client = link.take_over(Role::Client, client.into_parts());
    let server = link.take_over(Role::Server, server.into_parts());
    link.run(client, server).await
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
}

impl Link {
    /// Takes the connection of a side, and what has arrived after the opening handshake.
    fn take_over(&mut self, role: Role, parts: Parts<adapter::tokio::Io<TcpStream>>) -> Side {
        let mut unread = parts.unread;
        self.forward(role, &mut unread);
        let (from, to) = parts.transport.0.into_split();
        Side {
            role,
            from,
            to,
            buf: vec![0; READ_SIZE],
            is_at_end: false,
            is_shut_down: false,
        }
    }

    /// Passes on what a side has sent.
    fn forward(&mut self, from: Role, mut input: &mut [u8]) {
        let (to_other, back) = match from {
            Role::Client => (&mut self.to_server, &mut self.to_client),
            Role::Server => (&mut self.to_client, &mut self.to_server),
        };
        // After an error, the output of both sides has a Close frame.
        if let Err(error) = self.relay.forward(from, &mut input, to_other, back) {
            let side = if from == Role::Client { "client" } else { "server" };
            self.error.get_or_insert_with(|| format!("the {side}: {error}"));
        }
    }

    /// Passes frames on until both sides are closed.
    async fn run(mut self, mut client: Side, mut server: Side) -> Result<(), AnyError> {
        let mut deadline = None;
        while !(client.is_at_end && server.is_at_end) {
            if [Role::Client, Role::Server].map(|role| self.relay.teardown(role)) != [None, None] {
                deadline.get_or_insert_with(|| Instant::now() + CLOSE_TIMEOUT);
            }
            client.shut_down_if_due(&self.relay, &mut self.to_client).await;
            server.shut_down_if_due(&self.relay, &mut self.to_server).await;
            let step = self.step(&mut client, &mut server);
            match deadline {
                None => step.await,
                Some(deadline) => timeout_at(deadline, step)
                    .await
                    .map_err(|_| "a side has not closed its connection in time")?,
            }
        }
        self.error.map_or(Ok(()), |error| Err(error.into()))
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
        let (name, to_other) = match role {
            Role::Client => ("client", &mut self.to_server),
            Role::Server => ("server", &mut self.to_client),
        };
        if let Err(error) = self.relay.receive_eof(role, to_other) {
            self.error.get_or_insert_with(|| format!("the {name}: {error}"));
        }
    }
}

impl Side {
    fn written(&mut self, written: io::Result<usize>, out: &mut Vec<u8>) {
        match written {
            Ok(len) => _ = out.drain(..len),
            // Reading says why.
            Err(_) => self.is_shut_down = true,
        }
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
