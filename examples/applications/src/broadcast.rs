//! A ticker for many clients: each message is encoded and compressed once, and a client that does
//! not read holds up no other.
//!
//! ```text
//! cargo run --release --bin broadcast -- serve
//! cargo run --release --bin broadcast -- watch ws://127.0.0.1:9011/ --clients 1000 --slow 1
//! ```

use std::{
    fmt::Write,
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sockless::{Accept, ClientRequest, CloseCode, Config, Message, PreparedMessage, adapter, deflate::DeflateConfig};
use sockless_applications::{AnyError, Args, run_async, serve_each, usage};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host},
    sync::watch,
    task::JoinSet,
    time::{interval, sleep},
};

const HELP: &str = "\
A ticker for many clients.

usage: broadcast serve [--listen ADDRESS] [--interval MS] [--symbols N]
       broadcast watch URL [--clients N] [--slow N] [--seconds N]

  --listen ADDRESS  where to listen (127.0.0.1:9011); with port 0, on a free port
  --interval MS     time between two ticks (100)
  --symbols N       prices in a tick (100)
  --clients N       how many clients to open (1)
  --slow N          how many of them do not read (0)
  --seconds N       how long to watch (5)

The watcher prints how many ticks the clients have received, and how old the ticks were.";

/// How much the socket of a client holds back, in bytes. A client that is behind by more than this
/// gets the next tick when it has caught up, and not all that it has missed.
const SEND_BUFFER: u32 = 16 << 10;
/// How much the socket of a client that does not read holds back, in bytes.
const SLOW_RECEIVE_BUFFER: u32 = 4 << 10;
/// How many clients may wait to be accepted.
const BACKLOG: u32 = 1024;

fn main() -> ExitCode {
    run_async("broadcast", HELP, application)
}

async fn application(mut args: Args) -> Result<(), AnyError> {
    let listen = args.option("--listen", String::from("127.0.0.1:9011"))?;
    let pause = Duration::from_millis(args.option("--interval", 100)?).max(Duration::from_millis(1));
    let symbols = args.option("--symbols", 100)?;
    let (clients, slow) = (args.option("--clients", 1)?, args.option("--slow", 0)?);
    let seconds = args.option("--seconds", 5)?;
    match args.next::<String>("the command")?.as_str() {
        "serve" => {
            args.end()?;
            serve(&listen, pause, symbols).await
        }
        "watch" => {
            let url = args.next::<String>("the URL")?;
            args.end()?;
            watch(&url, clients, slow, Duration::from_secs(seconds)).await
        }
        command => Err(usage(format!("there is no command {command:?}"))),
    }
}

async fn serve(listen: &str, pause: Duration, symbols: usize) -> Result<(), AnyError> {
    let listener = listen_on(listen).await.map_err(|error| format!("{listen}: {error}"))?;
    println!("listening on ws://{}/", listener.local_addr()?);
    // Holds the last tick, and no more: the memory does not depend on how fast clients read.
    let (ticks, _) = watch::channel(Arc::new(PreparedMessage::text("")));
    let sender = ticks.clone();
    tokio::spawn(async move {
        let mut timer = interval(pause);
        for number in 1.. {
            timer.tick().await;
            sender.send_replace(Arc::new(PreparedMessage::text(&tick(number, symbols))));
        }
    });
    serve_each("broadcast", listener, |tcp| serve_client(tcp, ticks.subscribe())).await;
    Ok(())
}

async fn listen_on(address: &str) -> Result<TcpListener, AnyError> {
    let (socket, address) = socket_for(address).await?;
    socket.set_reuseaddr(true)?;
    // The connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    Ok(socket.listen(BACKLOG)?)
}

/// Returns the first address of a host, and a socket of its kind.
async fn socket_for(host: impl ToSocketAddrs) -> Result<(TcpSocket, SocketAddr), AnyError> {
    let address = lookup_host(host).await?.next().ok_or("the name has no address")?;
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    };
    Ok((socket?, address))
}

fn config() -> Config {
    Config::new().deflate(DeflateConfig::new())
}

/// Sends the ticks to one client.
async fn serve_client(tcp: TcpStream, mut ticks: watch::Receiver<Arc<PreparedMessage>>) -> Result<(), AnyError> {
    // Clients send no messages.
    let incoming = adapter::tokio::incoming(tcp, config().max_message_size(0)).await?;
    // Any page may show prices.
    let mut ws = incoming.accept(&Accept::new().any_origin()).await?;
    let mut missed = 0;
    let ended = loop {
        tokio::select! {
            // Writes the output, answers Pings and keeps the deadlines: a client that does not
            // answer Pings is dropped.
            received = ws.recv() => match received {
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            },
            Ok(()) = ticks.changed() => {
                let tick = Arc::clone(&ticks.borrow_and_update());
                // While the client has not taken the last tick, it gets no other.
                if ws.pending_bytes() == 0 {
                    // After the end of the connection it fails. How it ended, `recv` tells.
                    let _result = ws.feed_prepared(&tick).await;
                } else {
                    missed += 1;
                }
            }
        }
    };
    match ended {
        Err(error) if missed > 0 => Err(format!("{error}; it was too slow for {missed} ticks").into()),
        ended => Ok(ended?),
    }
}

/// Returns the text of a tick: its number, the time in microseconds, and a line for each price.
fn tick(number: u64, symbols: usize) -> String {
    let mut text = format!("{number} {}\n", since_epoch().as_micros());
    for symbol in 0..symbols as u64 {
        let price = 10_000 + (number * 7919 + symbol * 104_729) % 997;
        let _result = writeln!(text, "SYM{symbol:04} {}.{:02}", price / 100, price % 100);
    }
    text
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What clients have received.
struct Received {
    /// The number of ticks: of several clients, the lowest.
    ticks: u64,
    /// How old the oldest tick was when it arrived.
    max_age: Duration,
}

async fn watch(url: &str, clients: usize, slow: usize, time: Duration) -> Result<(), AnyError> {
    let request = ClientRequest::new(url)?;
    let (end, _) = watch::channel(());
    let (mut readers, mut others) = (JoinSet::new(), Vec::new());
    for number in 0..clients {
        let tcp = connect(&request, number < slow).await?;
        let (ws, _response) = adapter::tokio::client(tcp, &request, config()).await?;
        if number < slow {
            others.push(ws);
        } else {
            readers.spawn(read_ticks(ws, end.subscribe()));
        }
    }
    println!("{clients} clients are connected, {slow} of them do not read");
    sleep(time).await;
    drop(end);
    let mut all = Received {
        ticks: u64::MAX,
        max_age: Duration::ZERO,
    };
    while let Some(result) = readers.join_next().await {
        let received = result??;
        all.ticks = all.ticks.min(received.ticks);
        all.max_age = all.max_age.max(received.max_age);
    }
    println!(
        "each client that reads: {} ticks or more, at most {:?} old",
        all.ticks, all.max_age
    );
    Ok(())
}

async fn connect(request: &ClientRequest, is_slow: bool) -> Result<TcpStream, AnyError> {
    let (socket, address) = socket_for((request.host(), request.port())).await?;
    if is_slow {
        // It holds little back that it does not read.
        socket.set_recv_buffer_size(SLOW_RECEIVE_BUFFER)?;
    }
    Ok(socket.connect(address).await?)
}

/// Reads ticks until the sender of `end` is dropped.
async fn read_ticks(
    mut ws: adapter::tokio::WebSocket<TcpStream>,
    mut end: watch::Receiver<()>,
) -> Result<Received, AnyError> {
    let (mut ticks, mut last, mut max_age) = (0, 0, Duration::ZERO);
    loop {
        let message = tokio::select! {
            message = ws.recv() => message?.ok_or("the server has ended")?,
            _ = end.changed() => break,
        };
        let (number, time) = parse(&message).ok_or("the server has sent something else than a tick")?;
        if number <= last {
            return Err(format!("tick {number} came after tick {last}").into());
        }
        (ticks, last) = (ticks + 1, number);
        max_age = max_age.max(since_epoch().saturating_sub(time));
    }
    ws.close(CloseCode::NORMAL, "").await?;
    while ws.recv().await?.is_some() {}
    Ok(Received { ticks, max_age })
}

/// Returns the number of a tick, and when it was made.
fn parse(tick: &Message<'_>) -> Option<(u64, Duration)> {
    let (number, micros) = tick.as_text()?.lines().next()?.split_once(' ')?;
    Some((number.parse().ok()?, Duration::from_micros(micros.parse().ok()?)))
}
