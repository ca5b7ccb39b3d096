//! The adapter for `futures-io`: over TCP with smol and its timer, and over a clock that counts the
//! timers it makes.

use std::{
    cell::{Cell, RefCell},
    future::{Future, pending},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use smol::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use sockless::{
    Accept, ClientRequest, CloseCode, Message,
    adapter::{
        Error, Settings,
        futures_io::{self as ws, Timer},
        poll::Clock,
    },
    timers::{Due, Timeouts},
};

/// How long a test waits for the network before it fails.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);

fn run(future: impl Future<Output = ()>) {
    let timeout = async {
        smol::Timer::after(TEST_TIMEOUT).await;
        panic!("the test took longer than {TEST_TIMEOUT:?}");
    };
    smol::block_on(smol::future::or(future, timeout));
}

/// Returns settings whose timeouts `ping`, `pong` and `close` have this many milliseconds.
fn short_timeouts(millis: u64) -> Settings {
    let limit = Duration::from_millis(millis);
    Settings::new().timeouts(Timeouts::new().ping(limit).pong(limit).close(limit))
}

/// Messages of all sizes are echoed over TCP, and both ends close cleanly.
#[test]
fn messages_are_echoed_over_tcp() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let server = async {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut ws = ws::accept(tcp, Timer::new(smol::Timer::at)).await.unwrap();
            while let Some(message) = ws.recv().await.unwrap() {
                ws.feed(message).await.unwrap();
            }
            assert!(ws.close_status().unwrap().is_clean());
        };
        let client = async {
            let tcp = smol::net::TcpStream::connect(at).await.unwrap();
            let request = ClientRequest::new(&format!("ws://{at}/")).unwrap();
            let (mut ws, _) = ws::client(tcp, (), &request, Settings::default()).await.unwrap();
            for len in [0, 1, 1000, 100_000, 3_000_000] {
                let message = Message::Binary((0..len).map(|n| n as u8).collect());
                ws.send(&message).await.unwrap();
                assert_eq!(ws.recv().await.unwrap(), Some(message));
            }
            ws.close(CloseCode::NORMAL, "bye").await.unwrap();
            assert_eq!(ws.recv().await.unwrap(), None);
            assert!(ws.close_status().unwrap().is_clean());
        };
        smol::future::zip(server, client).await;
    });
}

/// A peer that answers no Ping times out in the reading half, in real time.
#[test]
fn a_silent_peer_times_out() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let server = async {
            let (tcp, _) = listener.accept().await.unwrap();
            let incoming = ws::incoming(tcp, Timer::new(smol::Timer::at), short_timeouts(100))
                .await
                .unwrap();
            let (mut reader, writer) = incoming.accept(&Accept::new()).await.unwrap().split();
            writer.send("hello").await.unwrap();
            let error = reader.recv().await.unwrap_err();
            assert!(matches!(error, Error::TimedOut { due: Due::Pong, .. }), "{error:?}");
        };
        let client = async {
            let tcp = smol::net::TcpStream::connect(at).await.unwrap();
            let request = ClientRequest::new(&format!("ws://{at}/")).unwrap();
            let (_ws, _) = ws::client(tcp, (), &request, Settings::default()).await.unwrap();
            // This peer never reads.
            pending::<()>().await;
        };
        smol::future::or(server, client).await;
    });
}

/// A timer that the test fires. It keeps the waker of its last poll.
#[derive(Clone, Default)]
struct ManualTimer {
    ready: Rc<Cell<bool>>,
    waker: Rc<RefCell<Option<Waker>>>,
}

impl Future for ManualTimer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        if self.ready.get() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// The clock makes a timer for an earlier deadline and none for a later one. A timer that fires
/// before the deadline is replaced. A deadline in the past is ready.
#[test]
fn an_earlier_deadline_makes_a_new_timer() {
    let timers = Rc::new(RefCell::new(Vec::new()));
    let mut clock = Timer::new(|at| {
        let timer = ManualTimer::default();
        timer.ready.set(at <= Instant::now());
        timers.borrow_mut().push(timer.clone());
        timer
    });
    let count = || timers.borrow().len();
    let mut cx = Context::from_waker(Waker::noop());
    let far = Instant::now() + Duration::from_secs(1000);
    assert!(clock.poll_until(far, &mut cx).is_pending());
    assert!(clock.poll_until(far + Duration::from_secs(5), &mut cx).is_pending());
    assert_eq!(count(), 1);
    assert!(clock.poll_until(far - Duration::from_secs(5), &mut cx).is_pending());
    assert_eq!(count(), 2);
    timers.borrow()[1].ready.set(true);
    assert!(clock.poll_until(far, &mut cx).is_pending());
    assert_eq!(count(), 3);
    assert!(timers.borrow()[2].waker.borrow().is_some());
    assert!(clock.poll_until(Instant::now(), &mut cx).is_ready());
}

/// The clock `()` never fires: a connection with it waits without a limit.
#[test]
fn the_unit_clock_never_fires() {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(
        ().poll_until(Instant::now() - Duration::from_secs(1), &mut cx)
            .is_pending()
    );
}

/// One message is written and read with the traits of `futures-io`, and then a byte stream, over
/// TCP.
#[test]
fn messages_and_bytes_with_the_traits_of_futures_io() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let data: Vec<u8> = (0..1_u32 << 20).map(|n| (n % 251) as u8).collect();
        let server = async {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut ws = ws::accept(tcp, Timer::new(smol::Timer::at)).await.unwrap();
            let mut message = ws.reader().await.unwrap().unwrap();
            let mut received = Vec::new();
            message.read_to_end(&mut received).await.unwrap();
            drop(message);
            assert!(received == data);
            let (reader, writer) = smol::io::split(ws.into_byte_stream());
            smol::io::copy(reader, writer).await.unwrap();
        };
        let client = async {
            let tcp = smol::net::TcpStream::connect(at).await.unwrap();
            let request = ClientRequest::new(&format!("ws://{at}/")).unwrap();
            let (mut ws, _) = ws::client(tcp, (), &request, Settings::default()).await.unwrap();
            let mut message = ws.writer(sockless::MessageKind::Binary).unwrap();
            message.write_all(&data).await.unwrap();
            message.close().await.unwrap();
            drop(message);
            let mut stream = ws.into_byte_stream();
            stream.write_all(b"tunnel").await.unwrap();
            stream.flush().await.unwrap();
            let mut echoed = [0; 6];
            stream.read_exact(&mut echoed).await.unwrap();
            assert_eq!(&echoed, b"tunnel");
            stream.close().await.unwrap();
            assert_eq!(stream.read(&mut echoed).await.unwrap(), 0);
        };
        smol::future::zip(server, client).await;
    });
}
