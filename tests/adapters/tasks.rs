//! Connections whose halves are in tasks of their own, on the executors that people use: tokio with
//! one thread and with several, and smol. Over TCP on the loopback interface.

use std::{future::Future, pin::pin, time::Duration};

use ::tokio::runtime::Builder;
use futures_util::{
    Sink, SinkExt, Stream, StreamExt,
    future::{Either, select},
    join,
};
use sockless::{
    CloseCode, Config, Message,
    adapter::{
        Error, Settings, futures_io,
        poll::{Clock, Transport, WebSocket},
        tokio,
    },
};

/// How long a test waits for the network before it fails.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The number of messages that each end sends, and their length.
const COUNT: usize = 200;
const LEN: usize = 100_000;

/// What an executor has.
trait Executor: Clone + Send + 'static {
    type Transport: Transport + Unpin + Send + 'static;
    type Clock: Clock + Unpin + Send + 'static;

    /// Returns the two ends of a connection.
    async fn pair(&self) -> [WebSocket<Self::Transport, Self::Clock>; 2];

    /// Starts a task. The result waits for its end.
    fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> impl Future<Output = T>;

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send;
}

#[derive(Clone)]
struct Tokio;

impl Executor for Tokio {
    type Transport = tokio::Io<::tokio::net::TcpStream>;
    type Clock = tokio::Clock;

    async fn pair(&self) -> [WebSocket<Self::Transport, Self::Clock>; 2] {
        let listener = ::tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = ::tokio::net::TcpStream::connect(listener.local_addr().unwrap());
        let (client, server) = ::tokio::join!(connecting, listener.accept());
        let [server_engine, client_engine] = engines();
        [
            tokio::upgraded(server.unwrap().0, server_engine, Settings::new()),
            tokio::upgraded(client.unwrap(), client_engine, Settings::new()),
        ]
    }

    async fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> T {
        ::tokio::spawn(task).await.unwrap()
    }

    async fn sleep(duration: Duration) {
        ::tokio::time::sleep(duration).await;
    }
}

#[derive(Clone)]
struct Smol;

/// What `smol::Timer::at` is.
type SmolTimer = futures_io::Timer<fn(std::time::Instant) -> smol::Timer, smol::Timer>;

impl Executor for Smol {
    type Transport = futures_io::Io<smol::net::TcpStream>;
    type Clock = SmolTimer;

    async fn pair(&self) -> [WebSocket<Self::Transport, Self::Clock>; 2] {
        let listener = smol::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = smol::net::TcpStream::connect(listener.local_addr().unwrap());
        let (client, server) = smol::future::zip(connecting, listener.accept()).await;
        let [server_engine, client_engine] = engines();
        let clock = || SmolTimer::new(smol::Timer::at);
        [
            futures_io::upgraded(server.unwrap().0, clock(), server_engine, Settings::new()),
            futures_io::upgraded(client.unwrap(), clock(), client_engine, Settings::new()),
        ]
    }

    async fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> T {
        smol::spawn(task).await
    }

    async fn sleep(duration: Duration) {
        smol::Timer::after(duration).await;
    }
}

fn engines() -> [sockless::Connection; 2] {
    support::ROLES.map(|role| support::open(role, Config::default()))
}

fn payload(n: usize) -> Message<'static> {
    Message::Binary(vec![n as u8; LEN].into())
}

/// How long a slow end pauses after ten messages.
const PAUSE: Duration = Duration::from_millis(3);

/// Sends all messages, and returns the sink.
async fn send_all<E: Executor, S: Sink<Message<'static>, Error = Error> + Unpin>(mut sink: S, pause: Duration) -> S {
    for n in 0..COUNT {
        if n % 10 == 0 {
            E::sleep(pause).await;
        }
        if n % 3 == 0 {
            sink.send(payload(n)).await.unwrap();
        } else {
            sink.feed(payload(n)).await.unwrap();
        }
    }
    sink.flush().await.unwrap();
    sink
}

/// Receives what [`send_all`] sends, and returns the stream.
async fn receive_all<E: Executor, S: Stream<Item = Result<Message<'static>, Error>> + Unpin>(
    mut stream: S,
    pause: Duration,
) -> S {
    for n in 0..COUNT {
        if n % 10 == 0 {
            E::sleep(pause).await;
        }
        assert_eq!(stream.next().await.unwrap().unwrap(), payload(n));
    }
    stream
}

/// `StreamExt::split`, each half in a task of its own, against a slow peer that sends as much.
async fn split_in_tasks<E: Executor>(executor: E) {
    let [local, peer] = executor.pair().await;
    let (sink, stream) = StreamExt::split(local);
    let (peer_sink, peer_stream) = StreamExt::split(peer);
    let (mut sink, mut stream, _peer_sink, mut peer_stream) = join!(
        executor.spawn(send_all::<E, _>(sink, Duration::ZERO)),
        executor.spawn(receive_all::<E, _>(stream, Duration::ZERO)),
        executor.spawn(send_all::<E, _>(peer_sink, PAUSE)),
        executor.spawn(receive_all::<E, _>(peer_stream, PAUSE)),
    );
    sink.close().await.unwrap();
    let (end, peer_end) = join!(
        executor.spawn(async move { stream.next().await.is_none() }),
        executor.spawn(async move { peer_stream.next().await.is_none() }),
    );
    assert!(end && peer_end);
}

/// A peer that echoes with `forward`, from a connection to itself.
async fn forward<E: Executor>(executor: E) {
    let [local, peer] = executor.pair().await;
    let (sink, stream) = StreamExt::split(local);
    let (peer_sink, peer_stream) = StreamExt::split(peer);
    let echo = executor.spawn(peer_stream.forward(peer_sink));
    let ends = async {
        let (mut sink, mut stream) = join!(
            executor.spawn(send_all::<E, _>(sink, Duration::ZERO)),
            executor.spawn(receive_all::<E, _>(stream, PAUSE)),
        );
        sink.close().await.unwrap();
        assert!(stream.next().await.is_none());
    };
    let (echoed, ()) = join!(echo, ends);
    echoed.unwrap();
}

/// One task that sends and receives, and drops each call that takes too long, against halves in two
/// tasks.
async fn select_with_timeouts<E: Executor>(executor: E) {
    let [mut local, peer] = executor.pair().await;
    let (mut peer_reader, peer_writer) = peer.split();
    let task = executor.spawn(async move {
        let (mut sent, mut received) = (0, 0);
        while sent < COUNT || received < COUNT {
            if sent < COUNT {
                if let Some(fed) = timeout::<E, _>(local.feed(payload(sent))).await {
                    fed.unwrap();
                    sent += 1;
                }
            }
            while let Some(message) = timeout::<E, _>(local.recv()).await {
                assert_eq!(message.unwrap().unwrap(), payload(received));
                received += 1;
            }
        }
        local.close(CloseCode::NORMAL, "").await.unwrap();
        assert!(local.recv().await.unwrap().is_none());
    });
    let sending = executor.spawn(send_all::<E, _>(peer_writer, PAUSE));
    let receiving = executor.spawn(async move {
        for n in 0..COUNT {
            assert_eq!(peer_reader.recv().await.unwrap().unwrap(), payload(n));
        }
        assert!(peer_reader.recv().await.unwrap().is_none());
    });
    join!(task, sending, receiving);
}

/// Drops a future that is not ready soon.
async fn timeout<E: Executor, T>(future: impl Future<Output = T>) -> Option<T> {
    match select(pin!(future), pin!(E::sleep(Duration::from_micros(500)))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

async fn all<E: Executor>(executor: E) {
    split_in_tasks(executor.clone()).await;
    forward(executor.clone()).await;
    select_with_timeouts(executor).await;
}

fn run_on_tokio(mut builder: Builder) {
    let runtime = builder.enable_all().build().unwrap();
    runtime
        .block_on(async { ::tokio::time::timeout(TEST_TIMEOUT, all(Tokio)).await })
        .expect("the test ends before the timeout");
}

/// F60: tasks on tokio with one thread.
#[test]
fn f60_tasks_on_one_thread_of_tokio() {
    run_on_tokio(Builder::new_current_thread());
}

/// F60: tasks on tokio with several threads.
#[test]
fn f60_tasks_on_several_threads_of_tokio() {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(3);
    run_on_tokio(builder);
}

/// F60: tasks on smol.
#[test]
fn f60_tasks_on_smol() {
    let timeout = async {
        smol::Timer::after(TEST_TIMEOUT).await;
        panic!("the test took longer than {TEST_TIMEOUT:?}");
    };
    smol::block_on(smol::future::or(all(Smol), timeout));
}
