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
    fs, future,
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

/// Returns how many messages are echoed on one connection, in a second and in a second of processor
/// time: the latter depends less on what else the machine does.
async fn measure(url: &str, tcp: TcpStream, is_stalled: bool) -> Result<[f64; 2], BoxError> {
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
    }
    let mut busy = Vec::new();
    for _ in 0..BUSY {
        busy.push(open().await?.0);
    }
    let (started, processor_started) = (Instant::now(), processor_time()?);
    let mut tasks = JoinSet::new();
    for ws in busy {
        tasks.spawn(exchange(ws));
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let messages = (BUSY * MESSAGES) as f64;
    let processor = processor_time()? - processor_started;
    Ok([messages / started.elapsed().as_secs_f64(), messages / processor])
}

/// Returns the processor time of this process in seconds (Linux).
fn processor_time() -> Result<f64, BoxError> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // After the name in parentheses, the user and system times are the 12th and 13th fields, in
    // hundredths of a second.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name")?;
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: Result<Vec<u32>, _> = times.map(str::parse).collect();
    Ok(f64::from(ticks?.iter().sum::<u32>()) / 100.0)
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
            tokio::spawn(server::serve(tcp, |request| future::ready(respond(request))));
        }
    });
    let url = format!("ws://{address}/");
    let (mut rates, mut ratios) = ([const { Vec::new() }; 2], [const { Vec::new() }; 2]);
    for round in 0..=ROUNDS {
        let idle = measure(&url, TcpStream::connect(address).await?, false).await?;
        let stalled = measure(&url, TcpStream::connect(address).await?, true).await?;
        println!("round {round}: one idle {idle:.0?}, one stalled {stalled:.0?} (messages/s, per processor second)");
        // The first round warms up.
        if round > 0 {
            for unit in 0..2 {
                rates[unit].push(idle[unit]);
                ratios[unit].push(stalled[unit] / idle[unit]);
            }
        }
    }
    println!("{BUSY} WebSockets, {MESSAGES} messages of {LEN} bytes each, medians of {ROUNDS} rounds:");
    for (unit, name) in ["messages/s", "messages per second of processor time"]
        .into_iter()
        .enumerate()
    {
        let (rate, ratio) = (median(&mut rates[unit]), median(&mut ratios[unit]));
        println!("{rate:.0} {name} while one is idle; while one is stalled, {ratio:.3} times as many");
    }
    Ok(())
}
