//! The loop on the host: streams in memory, and a clock that the test sets.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use embassy_futures::block_on;
use embassy_futures::join::join;
use embedded_io_async::{ErrorType, Read, Write};
use sockless::timers::Timeouts;
use sockless::{Accept, ClientRequest, CloseCode, Config, Connection, Event, ProtocolError};
use sockless_embedded::lamp::{Lamp, config};
use sockless_embedded::{Application, Clock, Error, run};

/// How many bytes a direction holds: less than a frame.
const CAPACITY: usize = 7;
/// How far the clock goes when somebody waits for it.
const TICK: Duration = Duration::from_millis(1);

#[derive(Default)]
struct Direction {
    bytes: VecDeque<u8>,
    is_closed: bool,
}

/// One end of a stream in memory. Dropping it closes both directions.
struct Stream {
    input: Rc<RefCell<Direction>>,
    output: Rc<RefCell<Direction>>,
}

fn streams() -> (Stream, Stream) {
    let (one, two) = <(Rc<RefCell<Direction>>, Rc<RefCell<Direction>>)>::default();
    let (input, output) = (Rc::clone(&one), Rc::clone(&two));
    (
        Stream { input, output },
        Stream {
            input: two,
            output: one,
        },
    )
}

impl ErrorType for Stream {
    type Error = Infallible;
}

// `block_on` polls again and again, so nobody has to be woken.
impl Read for Stream {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|_| {
            let mut input = self.input.borrow_mut();
            let len = input.bytes.len().min(buf.len());
            if len == 0 && !input.is_closed {
                return Poll::Pending;
            }
            for (to, from) in buf.iter_mut().zip(input.bytes.drain(..len)) {
                *to = from;
            }
            Poll::Ready(Ok(len))
        })
        .await
    }
}

impl Write for Stream {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        poll_fn(|_| {
            let mut output = self.output.borrow_mut();
            if output.is_closed {
                return Poll::Ready(Ok(buf.len())); // the bytes are lost
            }
            let len = buf.len().min(CAPACITY - output.bytes.len());
            output.bytes.extend(&buf[..len]);
            if len == 0 { Poll::Pending } else { Poll::Ready(Ok(len)) }
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.input.borrow_mut().is_closed = true;
        self.output.borrow_mut().is_closed = true;
    }
}

/// A clock that goes on while it is waited for.
#[derive(Clone, Default)]
struct TestClock(Rc<Cell<Duration>>);

impl Clock for TestClock {
    fn now(&self) -> Duration {
        self.0.get()
    }

    async fn wait_until(&mut self, at: Duration) {
        poll_fn(|_| {
            if self.now() >= at {
                return Poll::Ready(());
            }
            self.0.set(self.now() + TICK);
            Poll::Pending
        })
        .await
    }
}

/// A user: sends commands one after the other, and then closes.
struct User {
    commands: Vec<&'static str>,
    may_send: bool,
    /// How many reports of the temperature to wait for before closing.
    reports: usize,
    seen: Vec<String>,
}

impl Application for User {
    fn on_event(&mut self, _: &mut Connection, event: Event<'_>, _: &mut Vec<u8>) {
        match event {
            Event::Open(_) => self.may_send = true,
            Event::Text(text) if text.ends_with("°C") => {
                self.reports = self.reports.saturating_sub(1);
                if self.seen.last().is_none_or(|last| *last != text) {
                    self.seen.push(text.into_owned());
                }
            }
            Event::Text(text) => {
                self.seen.push(text.into_owned());
                self.may_send = true;
            }
            Event::Close(_) | Event::Ping(_) | Event::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }

    async fn wait(&mut self) {
        if !self.may_send || (self.commands.is_empty() && self.reports > 0) {
            pending().await
        }
    }

    fn send(&mut self, ws: &mut Connection, out: &mut Vec<u8>) {
        self.may_send = false;
        if self.commands.is_empty() {
            ws.close(CloseCode::NORMAL, "", out).unwrap();
        } else {
            ws.send_text(self.commands.remove(0), out).unwrap();
        }
    }
}

fn user(commands: &[&'static str], reports: usize) -> User {
    User {
        commands: commands.into(),
        may_send: false,
        reports,
        seen: Vec::new(),
    }
}

/// A stream that writes a byte at a time, each after a time.
struct SlowStream {
    stream: Stream,
    clock: TestClock,
    byte_time: Duration,
}

impl ErrorType for SlowStream {
    type Error = Infallible;
}

impl Read for SlowStream {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        self.stream.read(buf).await
    }
}

impl Write for SlowStream {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        let at = self.clock.now() + self.byte_time;
        self.clock.wait_until(at).await;
        self.stream.write(&buf[..1]).await
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Sends a report once, and counts the Pongs.
struct Reporter {
    report: Option<String>,
    pongs: usize,
}

impl Application for Reporter {
    fn on_event(&mut self, ws: &mut Connection, event: Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Request(request) => {
                ws.accept(&request, &Accept::new(), out).unwrap();
            }
            Event::Pong(_) => self.pongs += 1,
            _ => {}
        }
    }

    async fn wait(&mut self) {
        if self.report.is_none() {
            pending().await
        }
    }

    fn send(&mut self, ws: &mut Connection, out: &mut Vec<u8>) {
        ws.send_text(&self.report.take().unwrap(), out).unwrap();
    }
}

/// Notes the order of what arrives. Closes after a Ping.
#[derive(Default)]
struct Listener {
    seen: Vec<&'static str>,
}

impl Application for Listener {
    fn on_event(&mut self, _: &mut Connection, event: Event<'_>, _: &mut Vec<u8>) {
        match event {
            Event::Text(_) => self.seen.push("report"),
            Event::Ping(_) => self.seen.push("ping"),
            _ => {}
        }
    }

    async fn wait(&mut self) {
        if !self.seen.contains(&"ping") {
            pending().await
        }
    }

    fn send(&mut self, ws: &mut Connection, out: &mut Vec<u8>) {
        ws.close(CloseCode::NORMAL, "", out).unwrap();
    }
}

/// Runs a lamp and a client until both have ended.
fn run_both(client: &mut impl Application) -> (Lamp<TestClock>, [Result<(), Error<Infallible>>; 2]) {
    let ((one, two), clock) = (streams(), TestClock::default());
    let mut lamp = Lamp::new(|| 21, Duration::from_secs(10), clock.clone());
    let (mut clock_of_lamp, mut clock_of_client) = (clock.clone(), clock);
    let ws = Connection::server(config());
    let lamp_ends = run(one, &mut clock_of_lamp, Timeouts::new(), ws, Vec::new(), &mut lamp);
    let (mut out, seed) = (Vec::new(), [7; 32]); // on a device, from its random number generator
    let request = ClientRequest::new("ws://lamp.local/").unwrap();
    let ws = Connection::client(&request, Config::new(), seed, &mut out).unwrap();
    let client_ends = run(two, &mut clock_of_client, Timeouts::new(), ws, out, client);
    let (lamp_ended, client_ended) = block_on(join(lamp_ends, client_ends));
    (lamp, [lamp_ended, client_ended])
}

#[test]
fn a_lamp_is_switched() {
    let mut user = user(&["on", "what", "off", "on"], 0);
    let (lamp, ended) = run_both(&mut user);
    assert!(matches!(ended, [Ok(()), Ok(())]), "{ended:?}");
    assert!(lamp.is_on);
    let replies: Vec<_> = user.seen.iter().filter(|line| !line.ends_with("°C")).collect();
    assert_eq!(replies, ["done", "a command is `on` or `off`", "done", "done"]);
}

/// The connection lasts for minutes, and Pings are answered.
#[test]
fn a_lamp_reports_its_temperature() {
    let mut user = user(&["on"], 30);
    let (_, ended) = run_both(&mut user);
    assert!(matches!(ended, [Ok(()), Ok(())]), "{ended:?}");
    assert_eq!(user.seen, ["done", "21 °C"]);
}

/// The answer of the lamp is the Close frame with 1009; its memory is bounded.
#[test]
fn a_message_that_is_too_long_for_the_lamp() {
    let mut user = user(&[Box::leak("x".repeat(300).into_boxed_str())], 0);
    let (_, [lamp, client]) = run_both(&mut user);
    let Err(Error::Protocol(error)) = lamp else {
        panic!("{lamp:?}")
    };
    assert!(matches!(*error, ProtocolError::MessageTooBig { .. }), "{error}");
    // The closing handshake was complete. The code says that it was no success.
    assert!(client.is_ok(), "{client:?}");
}

/// A Ping that is due in the middle of a report follows it. The device reads again in time for the
/// Pong.
#[test]
fn a_report_that_takes_longer_than_the_time_to_a_ping() {
    let ((one, two), mut clock) = (streams(), TestClock::default());
    let stream = SlowStream {
        stream: one,
        clock: clock.clone(),
        byte_time: Duration::from_millis(100),
    };
    let mut reporter = Reporter {
        report: Some(format!("{}21 °C", " ".repeat(150))),
        pongs: 0,
    };
    // The response takes more than the 10 s that the handshake may take by default.
    let timeouts = Timeouts::new().handshake(None);
    let mut clock_of_client = clock.clone();
    let device_ends = run(
        stream,
        &mut clock,
        timeouts,
        Connection::server(config()),
        Vec::new(),
        &mut reporter,
    );
    let (mut listener, mut out) = (Listener::default(), Vec::new());
    let request = ClientRequest::new("ws://lamp.local/").unwrap();
    let ws = Connection::client(&request, Config::new(), [7; 32], &mut out).unwrap();
    // The device does not read while it writes.
    let client_ends = run(two, &mut clock_of_client, Timeouts::none(), ws, out, &mut listener);
    let ended = block_on(join(device_ends, client_ends));
    assert!(matches!(ended, (Ok(()), Ok(()))), "{ended:?}");
    assert_eq!(listener.seen, ["report", "ping"]);
    assert_eq!(reporter.pongs, 1);
}

fn lamp_alone(stream: Stream) -> (Result<(), Error<Infallible>>, Duration) {
    let mut clock = TestClock::default();
    let mut lamp = Lamp::new(|| 21, Duration::from_secs(10), clock.clone());
    let ws = Connection::server(config());
    let ended = block_on(run(stream, &mut clock, Timeouts::new(), ws, Vec::new(), &mut lamp));
    (ended, clock.now())
}

#[test]
fn a_peer_that_sends_nothing() {
    let (one, _two) = streams();
    let (ended, now) = lamp_alone(one);
    assert!(matches!(ended, Err(Error::TimedOut)), "{ended:?}");
    assert!(now < Duration::from_secs(11), "{now:?}");
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: lamp.local\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The lamp waits until it can write, but not for ever.
#[test]
fn a_peer_that_does_not_read() {
    let (one, two) = streams();
    two.output.borrow_mut().bytes.extend(REQUEST);
    let (ended, now) = lamp_alone(one);
    assert!(matches!(ended, Err(Error::TimedOut)), "{ended:?}");
    assert!(now < Duration::from_secs(60), "{now:?}");
}

#[test]
fn a_transport_that_ends() {
    for (sent, is_open) in [(&REQUEST[..20], false), (REQUEST, true)] {
        let (one, two) = streams();
        two.output.borrow_mut().bytes.extend(sent);
        drop(two);
        let (ended, _) = lamp_alone(one);
        let Err(Error::Protocol(error)) = ended else {
            panic!("{ended:?}")
        };
        let expected = if is_open {
            ProtocolError::UnexpectedEof
        } else {
            ProtocolError::HandshakeEof
        };
        assert_eq!(*error, expected);
    }
}
