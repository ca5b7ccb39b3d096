//! Opening a WebSocket: TCP, a tunnel through a proxy, TLS, the opening handshake.

use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use sockless::{
    Config,
    adapter::{
        Error,
        tokio::{WebSocket, client, connect_tcp, upgraded},
    },
    handshake::Response,
    proxy::{Proxy, ProxyError},
};
use sockless_http2::client as http2;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{
    exit::{Exit, Failure},
    options::Options,
    output::Output,
    tls,
};

/// A transport of any kind.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for T {}

pub(crate) type AnyWebSocket = WebSocket<Box<dyn Transport>>;

/// How much of a proxy's answer is looked at, at a time.
const PEEK_LEN: usize = 4 << 10;
/// How many bytes of the body of a refusal are shown.
const SHOWN_BODY: usize = 1 << 10;
/// The header fields of a refusal that are shown: they say how the client can continue.
const SHOWN_FIELDS: [&str; 4] = [
    "Location",
    "WWW-Authenticate",
    "Proxy-Authenticate",
    "Sec-WebSocket-Version",
];

/// Opens a WebSocket, and reports each step if the options ask for it.
///
/// # Errors
/// Why it was not opened, with the exit status.
pub(crate) async fn open(options: &Options, output: &Output) -> Result<AnyWebSocket, Failure> {
    let opening = Opening { options, output };
    match timeout(options.timeout, opening.run()).await {
        Ok(result) => result,
        Err(_) => Err(Failure::no_connection(format!(
            "the connection was not open after --timeout {}",
            options.timeout.as_secs_f64()
        ))),
    }
}

struct Opening<'a> {
    options: &'a Options,
    output: &'a Output,
}

impl Opening<'_> {
    async fn run(&self) -> Result<AnyWebSocket, Failure> {
        let started = Instant::now();
        let tcp = self.connect().await?;
        let transport: Box<dyn Transport> = if self.options.request.is_secure() {
            self.tls(tcp).await?
        } else {
            Box::new(tcp)
        };
        let before = Instant::now();
        let (ws, head) = if self.options.http2 {
            self.open_http2(transport).await?
        } else {
            self.open_http1(transport).await?
        };
        self.step(format_args!("WebSocket open, {}", millis(before.elapsed())))
            .await;
        self.step(format_args!("status {}", head.status)).await;
        for (name, value) in &head.fields {
            self.step(format_args!("  {name}: {}", String::from_utf8_lossy(value)))
                .await;
        }
        self.step(format_args!("all steps: {}", millis(started.elapsed())))
            .await;
        Ok(ws)
    }

    /// Connects to the server, directly or through the proxy.
    async fn connect(&self) -> Result<TcpStream, Failure> {
        let (request, proxy) = (&self.options.request, self.options.proxy.as_ref());
        let (host, port) = match proxy {
            Some(proxy) => (proxy.host(), proxy.port()),
            None => (request.host(), request.port()),
        };
        let (before, name) = (Instant::now(), authority(host, port));
        let tcp = connect_tcp(host, port, None).await.map_err(|error| {
            let proxy = if proxy.is_some() { "the proxy: " } else { "" };
            Failure::no_connection(format!("{proxy}{error}"))
        })?;
        let address = tcp
            .peer_addr()
            .map_or_else(|_| String::new(), |address| format!(" ({address})"));
        self.step(format_args!(
            "connected to {name}{address}, {}",
            millis(before.elapsed())
        ))
        .await;
        let Some(proxy) = proxy else { return Ok(tcp) };
        let before = Instant::now();
        let tcp = tunnel(tcp, proxy, request.host(), request.port()).await?;
        let name = authority(request.host(), request.port());
        self.step(format_args!("tunnel to {name}, {}", millis(before.elapsed())))
            .await;
        Ok(tcp)
    }

    async fn tls(&self, tcp: TcpStream) -> Result<Box<dyn Transport>, Failure> {
        let (before, host) = (Instant::now(), self.options.request.host());
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            Failure::usage(format!(
                "{host} is neither a DNS name nor an IP address: no certificate can have it"
            ))
        })?;
        if self.options.insecure {
            let warning = "warning: the certificate of the server is not checked (--insecure)";
            self.output.status(warning).await;
        }
        let connector = TlsConnector::from(tls::config(self.options, self.alpn())?);
        let stream = connector.connect(name, tcp).await;
        let stream = stream.map_err(|error| Failure::no_connection(tls::explain(host, error)))?;
        let (_, session) = stream.get_ref();
        if self.options.http2 && session.alpn_protocol() != Some(self.alpn()) {
            return Err(Failure::no_connection(
                "the server does not speak HTTP/2: try without --http2",
            ));
        }
        let version = session.protocol_version().and_then(|version| version.as_str());
        let version = version.unwrap_or("TLS").replace("TLSv1_", "TLS 1.");
        let alpn = session.alpn_protocol().map(|alpn| format!(", {}", alpn.escape_ascii()));
        let alpn = alpn.unwrap_or_default();
        self.step(format_args!("{version}{alpn}, {}", millis(before.elapsed())))
            .await;
        Ok(Box::new(stream))
    }

    /// The name in ALPN of the version of HTTP (RFC 7301, RFC 9113, section 3.2).
    const fn alpn(&self) -> &'static [u8] {
        if self.options.http2 { b"h2" } else { b"http/1.1" }
    }

    async fn open_http1(&self, transport: Box<dyn Transport>) -> Result<(AnyWebSocket, Head), Failure> {
        let mut settings = self.options.settings.clone();
        if let Some(recording) = self.options.recording.clone() {
            settings = settings.record(move || Some(recording.recorder()));
        }
        let opened = client(transport, &self.options.request, settings).await;
        let (ws, response) = opened.map_err(|error| match error {
            Error::Refused(refusal) => refused_by_server(&Head::http1(&refusal.response), &refusal.body),
            error => Failure::no_connection(error),
        })?;
        Ok((ws, Head::http1(&response)))
    }

    async fn open_http2(&self, transport: Box<dyn Transport>) -> Result<(AnyWebSocket, Head), Failure> {
        let Options {
            request,
            config,
            settings,
            recording,
            ..
        } = self.options;
        let failed = |error| match error {
            http2::Error::Refused(response) => refused_by_server(&Head::http2(&response), response.body()),
            http2::Error::Request(error) => Failure::usage(error),
            error => Failure::no_connection(error),
        };
        let connection = http2::Http2::connect_within(transport, self.options.timeout)
            .await
            .map_err(failed)?;
        let (stream, response, negotiated) = connection.open_stream(request, config).await.map_err(failed)?;
        let engine = match recording {
            Some(recording) => {
                let seed = http2::seed().map_err(Failure::no_connection)?;
                recording.recorder().upgraded_client(&negotiated, config.clone(), seed)
            }
            None => http2::engine(&negotiated, config.clone()).map_err(failed)?,
        };
        let stream: Box<dyn Transport> = Box::new(stream);
        Ok((upgraded(stream, engine, settings.clone()), Head::http2(&response)))
    }

    /// Reports a step, with `-v`.
    async fn step(&self, text: std::fmt::Arguments<'_>) {
        if self.options.verbose {
            self.output.status(&text.to_string()).await;
        }
    }
}

/// Asks the proxy for a tunnel. Takes only what the proxy itself has sent off the stream.
async fn tunnel(mut tcp: TcpStream, proxy: &Proxy, host: &str, port: u16) -> Result<TcpStream, Failure> {
    let lost = |error| Failure::no_connection(format!("the connection to the proxy was lost: {error}"));
    let mut out = Vec::new();
    let connecting = proxy.connect(host, port, &Config::new(), &mut out);
    let mut connecting = connecting.map_err(Failure::usage)?;
    tcp.write_all(&out).await.map_err(lost)?;
    let mut buf = [0; PEEK_LEN];
    loop {
        let len = tcp.peek(&mut buf).await.map_err(lost)?;
        if len == 0 {
            connecting.receive_eof().map_err(refused_by_proxy)?;
        }
        let mut input = &mut buf[..len];
        let opened = connecting.receive(&mut input).map_err(refused_by_proxy)?;
        let taken = len - input.len();
        tcp.read_exact(&mut buf[..taken]).await.map_err(lost)?;
        if opened.is_some() {
            return Ok(tcp);
        }
    }
}

fn refused_by_proxy(error: ProxyError) -> Failure {
    match error {
        ProxyError::Refused(refusal) => {
            let head = Head::http1(&refusal.response);
            refused(
                "the proxy",
                "--proxy http://NAME:PASSWORD@HOST:PORT",
                &head,
                &refusal.body,
            )
        }
        error => Failure::no_connection(error),
    }
}

fn refused_by_server(head: &Head, body: &[u8]) -> Failure {
    refused("the server", "--user NAME:PASSWORD", head, body)
}

/// Says who has refused, with what, and what can be done.
fn refused(who: &str, credentials: &str, head: &Head, body: &[u8]) -> Failure {
    let status = head.status;
    let mut text = format!("{who} refused with status {status}");
    for (name, value) in &head.fields {
        if SHOWN_FIELDS.iter().any(|shown| name.eq_ignore_ascii_case(shown)) {
            text += &format!("\n  {name}: {}", String::from_utf8_lossy(value));
        }
    }
    let body = body.get(..SHOWN_BODY).unwrap_or(body);
    if !body.trim_ascii().is_empty() {
        for line in String::from_utf8_lossy(body.trim_ascii()).lines() {
            text += &format!("\n  | {line}");
        }
    }
    text += &match status {
        300..=399 => "\nRedirects are not followed: use the new URL.".to_owned(),
        401 | 407 => format!("\nTo send credentials, use {credentials}."),
        _ => String::new(),
    };
    Failure::new(Exit::Refused, text)
}

/// The head of a response, over any version of HTTP.
struct Head {
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
}

impl Head {
    fn http1(response: &Response<'_>) -> Self {
        let field = |(name, value): (&str, &[u8])| (name.to_owned(), value.to_owned());
        Self {
            status: response.status(),
            fields: response.headers().map(field).collect(),
        }
    }

    fn http2<B>(response: &http::Response<B>) -> Self {
        let fields = response.headers().iter();
        Self {
            status: response.status().as_u16(),
            fields: fields
                .map(|(name, value)| (name.to_string(), value.as_bytes().to_owned()))
                .collect(),
        }
    }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// A duration in milliseconds, for a reader.
pub(crate) fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}
