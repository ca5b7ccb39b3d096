//! The adapter for `futures-io`: over TCP with smol and its timer, and a clock of timers that are counted.

use std::{
    cell::{Cell, RefCell},
    future::{Future, pending},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use smol::net::TcpListener;
use sockless::{
    Accept, ClientRequest, CloseCode, Message,
    adapter::{
        Error,
        futures_io::{self as ws, Timer},
        poll::{Clock, Settings},
    },
    timers::{Due, Timeouts},
};

/// How long a test waits for the network before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn run(future: impl Future<Output = ()>) {
    let late = async {
        smol::Timer::after(PATIENCE).await;
        panic!("it does not end in time");
    };
    smol::block_on(smol::future::or(future, late));
}

/// Settings that make a ping, a pong and a close due after so many milliseconds.
fn hasty(millis: u64) -> Settings {
    let limit = Duration::from_millis(millis);
    Settings::new().timeouts(Timeouts::new().ping(limit).pong(limit).close(limit))
}

#[test]
fn a_conversation_over_tcp() {
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

/// In real time: a silent peer is noticed by the reading half.
#[test]
fn a_silent_peer_is_noticed() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let server = async {
            let (tcp, _) = listener.accept().await.unwrap();
            let incoming = ws::incoming(tcp, Timer::new(smol::Timer::at), hasty(100))
                .await
                .unwrap();
            let (mut reader, writer) = incoming.accept(&Accept::new()).await.unwrap().split();
            writer.send("hello").await.unwrap();
            let error = reader.recv().await.unwrap_err();
            assert!(matches!(error, Error::TimedOut(Due::Pong)), "{error:?}");
        };
        let client = async {
            let tcp = smol::net::TcpStream::connect(at).await.unwrap();
            let request = ClientRequest::new(&format!("ws://{at}/")).unwrap();
            let (_ws, _) = ws::client(tcp, (), &request, Settings::default()).await.unwrap();
            // It never reads.
            pending::<()>().await;
        };
        smol::future::or(server, client).await;
    });
}

/// A timer by hand: it is ready when it is told, and knows the waker of its last poll.
#[derive(Clone, Default)]
struct Sleep {
    ready: Rc<Cell<bool>>,
    waker: Rc<RefCell<Option<Waker>>>,
}

impl Future for Sleep {
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

/// A clock makes no timer for a deadline that has moved away, and one for a nearer one; a timer that is early is made anew;
/// what is past is ready.
#[test]
fn timers_are_made_when_a_deadline_is_nearer() {
    let made = Rc::new(RefCell::new(Vec::new()));
    let mut clock = Timer::new(|at| {
        let sleep = Sleep::default();
        sleep.ready.set(at <= Instant::now());
        made.borrow_mut().push(sleep.clone());
        sleep
    });
    let count = || made.borrow().len();
    let mut cx = Context::from_waker(Waker::noop());
    let far = Instant::now() + Duration::from_secs(1000);
    assert!(clock.poll_until(far, &mut cx).is_pending());
    assert!(clock.poll_until(far + Duration::from_secs(5), &mut cx).is_pending());
    assert_eq!(count(), 1);
    assert!(clock.poll_until(far - Duration::from_secs(5), &mut cx).is_pending());
    assert_eq!(count(), 2);
    made.borrow()[1].ready.set(true);
    assert!(clock.poll_until(far, &mut cx).is_pending());
    assert_eq!(count(), 3);
    assert!(made.borrow()[2].waker.borrow().is_some());
    assert!(clock.poll_until(Instant::now(), &mut cx).is_ready());
}

/// Without a clock that wakes, a connection waits for as long as it takes.
#[test]
fn no_clock_never_wakes() {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(
        ().poll_until(Instant::now() - Duration::from_secs(1), &mut cx)
            .is_pending()
    );
}
