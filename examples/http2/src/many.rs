//! 1,000 WebSockets on one HTTP/2 connection: the throughput of 999, while the other one is idle,
//! and while its client sends and does not receive.
//!
//! ```text
//! cargo run --release --manifest-path examples/http2/Cargo.toml --bin many
//! ```
//!
//! Both are measured in turn, on connections of their own, on the loopback interface.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use http::{Request, Response};
use sockless::{
    Accept, ClientRequest, CloseCode, Config, Message,
    adapter::{self, Settings, hyper},
};
use sockless_http2::{
    client::{Http2, WebSocket},
    server,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

const BUSY: usize = 999;
const MESSAGES: usize = 100;
const LEN: usize = 1024;
const ROUNDS: usize = 7;

type BoxError = Box<dyn Error + Send + Sync>;

fn respond<B>(mut request: Request<B>) -> Response<String> {
    match hyper::upgrade(&mut request, &Accept::new(), Settings::new()) {
        Ok((response, upgrade)) => {
            tokio::spawn(echo(upgrade));
            response
        }
        Err(rejection) => rejection.into_http(),
    }
}

async fn echo(upgrade: hyper::Upgrade) -> Result<(), adapter::Error> {
    let mut ws = upgrade.await?;
    while let Some(message) = ws.recv().await? {
        ws.feed(message).await?;
    }
    Ok(())
}

/// Sends and receives messages, and closes.
async fn exchange(mut ws: WebSocket) -> Result<(), adapter::Error> {
    let message = Message::Binary(vec![7; LEN].into());
    for _ in 0..MESSAGES {
        ws.feed(&message).await?;
        assert!(ws.recv().await?.as_ref() == Some(&message), "another message came back");
    }
    ws.close(CloseCode::NORMAL, "").await?;
    while ws.recv().await?.is_some() {}
    Ok(())
}

/// Returns how many messages a second are echoed on one connection.
async fn measure(url: &str, tcp: TcpStream, is_stalled: bool) -> Result<f64, BoxError> {
    tcp.set_nodelay(true)?;
    let http2 = Http2::connect(tcp).await?;
    let request = ClientRequest::new(url)?;
    let open = async || http2.open(&request, Config::new(), Settings::new()).await;
    let (mut other, _) = open().await?;
    if is_stalled {
        let chunk = vec![7; 16 << 10];
        while timeout(Duration::from_millis(300), other.send(chunk.as_slice()))
            .await
            .is_ok()
        {}
        println!("  stalled with {} bytes of output", other.pending_bytes());
    }
    let mut busy = Vec::new();
    for _ in 0..BUSY {
        busy.push(open().await?.0);
    }
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for ws in busy {
        tasks.spawn(exchange(ws));
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok((BUSY * MESSAGES) as f64 / started.elapsed().as_secs_f64())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            let tcp = server::accept(&listener).await;
            tokio::spawn(server::serve(tcp, respond));
        }
    });
    let url = format!("ws://{address}/");
    let (mut idle, mut stalled) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        for (is_stalled, results) in [(false, &mut idle), (true, &mut stalled)] {
            let rate = measure(&url, TcpStream::connect(address).await?, is_stalled).await?;
            println!(
                "round {round}, one is {}: {rate:.0} messages/s",
                if is_stalled { "stalled" } else { "idle" }
            );
            // The first round warms up.
            if round > 0 {
                results.push(rate);
            }
        }
    }
    let (idle, stalled) = (median(&mut idle), median(&mut stalled));
    println!("{BUSY} WebSockets, {MESSAGES} messages of {LEN} bytes each, median of {ROUNDS} rounds:");
    println!(
        "one is idle: {idle:.0} messages/s; one is stalled: {stalled:.0} messages/s; ratio {:.3}",
        stalled / idle
    );
    Ok(())
}
