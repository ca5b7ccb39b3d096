//! Checks the client of this package with the server of `tests/interop/http3.py`:
//!
//! ```text
//! interop URL CERTIFICATE
//! ```
//!
//! The server is trusted if it has the certificate in this file. Prints a line for each check.

use std::{env, error::Error, io, net::SocketAddr, process::ExitCode, time::Duration};

use quinn::Endpoint;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use sockless::{
    ClientRequest, CloseCode, Config, Message, ProtocolError,
    adapter::{self, Settings},
    deflate::DeflateConfig,
};
use sockless_http3::{
    WebSocket,
    client::{self, Http3},
    tls,
};
use tokio::time::timeout;

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How long a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(20);

/// Fails with a text, unless it is true.
fn ensure(is_true: bool, text: impl ToString) -> Result {
    if is_true { Ok(()) } else { Err(text.to_string().into()) }
}

struct Client {
    http3: Http3,
    address: SocketAddr,
}

impl Client {
    async fn open(&self, path: &str, deflate: bool) -> Result<WebSocket> {
        let request = ClientRequest::new(&format!("wss://{}{path}", self.address))?;
        let config = Config::new().deflate(deflate.then(|| DeflateConfig::new().threshold(0)));
        let (ws, response) = self.http3.open(&request, config, Settings::new()).await?;
        ensure(
            response.header("sec-websocket-accept").is_none(),
            "there is an accept key",
        )?;
        ensure(
            ws.negotiated().deflate.is_some() == deflate,
            "the negotiated compression",
        )?;
        Ok(ws)
    }

    async fn messages(&self, deflate: bool) -> Result {
        let mut ws = self.open("/echo", deflate).await?;
        for len in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
            let bytes: Vec<u8> = (0..len).map(|n: u32| (n.wrapping_mul(n) >> 3) as u8).collect();
            echo(&mut ws, Message::Binary(bytes.into())).await?;
            let text = "naïve 🦀 text ".chars().cycle().take(len as usize);
            echo(&mut ws, Message::Text(text.collect::<String>().into())).await?;
        }
        close(&mut ws).await
    }

    /// A Close frame with a code and a reason, from either side.
    async fn closing(&self) -> Result {
        let mut ws = self.open("/echo", false).await?;
        ws.close(CloseCode::from(4000), "naïve reason").await?;
        ensure(ws.recv().await?.is_none(), "a message after the Close frame")?;
        let status = ws.close_status().map(ToString::to_string).unwrap_or_default();
        ensure(status.contains("4000"), status)?;

        let mut ws = self.open("/close", false).await?;
        ws.send("now").await?;
        match ws.recv().await {
            Err(adapter::Error::Closed(status)) => {
                // With the reason escaped.
                let text = status.to_string();
                let has_both = text.contains("4001") && text.contains("\"enough\"");
                ensure(has_both && status.is_clean(), text)
            }
            other => Err(format!("{other:?}").into()),
        }
    }

    /// The server resets the stream, ends it, or loses the connection.
    async fn ends(&self) -> Result {
        let mut other = self.open("/echo", false).await?;
        let mut ws = self.open("/reset", false).await?;
        ws.send("now").await?;
        match ws.recv().await {
            Err(adapter::Error::Io(error)) => {
                ensure(error.kind() == io::ErrorKind::ConnectionReset, &error)?;
                ensure(error.to_string().contains("H3_REQUEST_CANCELLED"), &error)?;
            }
            other => return Err(format!("{other:?}").into()),
        }
        let mut ws = self.open("/fin", false).await?;
        ws.send("now").await?;
        match ws.recv().await {
            Err(adapter::Error::Protocol(error)) if *error == ProtocolError::UnexpectedEof => {}
            other => return Err(format!("{other:?}").into()),
        }
        echo(&mut other, Message::Text("still here".into())).await?;
        close(&mut other).await
    }

    async fn lost(&self) -> Result {
        let mut other = self.open("/echo", false).await?;
        let mut ws = self.open("/lost", false).await?;
        ws.send("now").await?;
        for ws in [&mut ws, &mut other] {
            let received = ws.recv().await;
            ensure(matches!(received, Err(adapter::Error::Io(_))), format!("{received:?}"))?;
        }
        Ok(())
    }

    /// A WebSocket that this client drops is reset with H3_REQUEST_CANCELLED, and one that it
    /// closes ends with FIN.
    async fn dropped(&self) -> Result {
        let mut ws = self.open("/echo/dropped", false).await?;
        echo(&mut ws, Message::Text("before".into())).await?;
        drop(ws);
        let mut reports = self.open("/ended/echo/dropped", false).await?;
        let report = reports.recv().await?;
        let expected = Message::Text("reset 0x10c, stopped 0x10c".into());
        ensure(report.as_ref() == Some(&expected), format!("{report:?}"))?;
        close(&mut reports).await
    }

    async fn refused(&self) -> Result {
        match self.open("/refuse", false).await {
            Err(error) => match error.downcast_ref::<client::Error>() {
                Some(client::Error::Refused(refusal)) => {
                    ensure(refusal.status == 403, refusal.status)?;
                    ensure(
                        refusal.fields.header("x-reason") == Some(b"none"),
                        "the header x-reason",
                    )?;
                    ensure(refusal.body == "kein Zutritt für dich\n".as_bytes(), "the body")
                }
                _ => Err(error),
            },
            Ok(_) => Err("not refused".into()),
        }
    }

    async fn many(&self) -> Result {
        let mut all = Vec::new();
        for n in 0..50 {
            all.push(self.open(&format!("/echo/{n}"), n % 2 == 0).await?);
        }
        let tasks: Vec<_> = all
            .into_iter()
            .map(|mut ws| {
                tokio::spawn(async move {
                    for n in 0..5 {
                        echo(&mut ws, Message::Text("message ".repeat(200 * n).into())).await?;
                    }
                    close(&mut ws).await
                })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        Ok(())
    }
}

async fn echo(ws: &mut WebSocket, message: Message<'_>) -> Result {
    ws.feed(&message).await?;
    let received = ws.recv().await?;
    ensure(
        received.as_ref() == Some(&message),
        format!("the echo of {} bytes differs", message.len()),
    )
}

async fn close(ws: &mut WebSocket) -> Result {
    ws.close(CloseCode::NORMAL, "").await?;
    ensure(ws.recv().await?.is_none(), "a message after the Close frame")?;
    let is_clean = ws.close_status().is_some_and(|status| status.is_clean());
    ensure(is_clean, "the end is not clean")
}

const CHECKS: [&str; 8] = [
    "messages without compression",
    "messages with compression",
    "Close frames with a code and a reason, of both sides",
    "50 WebSockets on one connection",
    "a dropped WebSocket is reset with H3_REQUEST_CANCELLED",
    "the server resets a stream, and ends one without a Close frame; others are unharmed",
    "a refusal with status, header and body",
    "a lost connection",
];

async fn check(client: &Client, name: &str) -> Result {
    match CHECKS.iter().position(|known| *known == name) {
        Some(0) => client.messages(false).await,
        Some(1) => client.messages(true).await,
        Some(2) => client.closing().await,
        Some(3) => client.many().await,
        Some(4) => client.dropped().await,
        Some(5) => client.ends().await,
        Some(6) => client.refused().await,
        Some(7) => client.lost().await,
        _ => Err("no such check".into()),
    }
}

async fn run() -> Result<bool> {
    let mut args = env::args().skip(1);
    let (Some(url), Some(file), None) = (args.next(), args.next(), args.next()) else {
        return Err("usage: interop URL CERTIFICATE".into());
    };
    let address = url.trim_start_matches("https://").trim_end_matches('/');
    let address: SocketAddr = address.parse()?;
    let mut endpoint = Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let certificate = CertificateDer::from_pem_file(file)?;
    endpoint.set_default_client_config(tls::client_config([certificate])?);
    for name in CHECKS {
        let checked = async {
            let http3 = Http3::connect(&endpoint, address, "localhost").await?;
            check(&Client { http3, address }, name).await
        };
        match timeout(CHECK_TIMEOUT, checked).await {
            Ok(Ok(())) => println!("ok - {name}"),
            Ok(Err(error)) => {
                println!("not ok - {name}: {error}");
                return Ok(false);
            }
            Err(_) => {
                println!("not ok - {name}: not done within {CHECK_TIMEOUT:?}");
                return Ok(false);
            }
        }
    }
    endpoint.wait_idle().await;
    Ok(true)
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
