//! Connecting to one of several addresses, on a virtual clock.

use std::{
    cell::RefCell,
    future::{pending, ready},
    io::{self, ErrorKind},
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    time::Duration,
};

use sockless::adapter::{Error, poll::connect_addresses};
use support::pipe::Simulation;

/// How an attempt ends.
#[derive(Clone, Copy)]
enum Outcome {
    Silence,
    Success(Duration),
    Failure(Duration),
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Counts the attempts that are dropped.
struct Attempt(Rc<RefCell<usize>>);

impl Drop for Attempt {
    fn drop(&mut self) {
        *self.0.borrow_mut() += 1;
    }
}

/// Connects to addresses of which the port is the index of the outcome. Returns that of the winner,
/// and the time at the end.
fn connect(outcomes: &[Outcome]) -> (Result<u16, Error>, Duration) {
    let mut simulation = Simulation::new(1);
    let time = simulation.time();
    let start = time();
    let clocks: Vec<_> = outcomes.iter().map(|_| simulation.clock()).collect();
    let clock = simulation.clock();
    let dropped = Rc::new(RefCell::new(0));
    let addresses = (0..outcomes.len()).map(|n| SocketAddr::from(([192, 0, 2, 1], n.try_into().unwrap())));
    let attempts = Rc::clone(&dropped);
    let clocks = RefCell::new(clocks);
    let started = Rc::new(RefCell::new(0));
    let count = Rc::clone(&started);
    let connected = simulation.block_on(connect_addresses(addresses, clock, move |address| {
        let attempt = Attempt(Rc::clone(&attempts));
        *count.borrow_mut() += 1;
        let mut clock = clocks.borrow_mut().pop().unwrap();
        let outcome = outcomes[usize::from(address.port())];
        let future: Pin<Box<dyn Future<Output = io::Result<u16>>>> = Box::pin(async move {
            let _attempt = attempt;
            match outcome {
                Outcome::Silence => pending().await,
                Outcome::Success(after) => {
                    clock.sleep(after).await;
                    ready(Ok(address.port())).await
                }
                Outcome::Failure(after) => {
                    clock.sleep(after).await;
                    Err(ErrorKind::ConnectionRefused.into())
                }
            }
        });
        future
    }));
    assert_eq!(*dropped.borrow(), *started.borrow(), "no attempt is left");
    (connected, time() - start)
}

/// F64: An address that never answers delays the others by 250 ms each, one that fails does not.
/// The first success wins, and the other attempts are dropped.
#[test]
fn f64_a_silent_address_does_not_block_the_others() {
    use Outcome::{Failure, Silence, Success};
    let won = |outcomes: &[Outcome]| {
        let (connected, at) = connect(outcomes);
        (connected.unwrap(), at)
    };
    assert_eq!(won(&[Silence, Success(millis(10))]), (1, millis(260)));
    assert_eq!(won(&[Silence, Silence, Success(millis(10))]), (2, millis(510)));
    assert_eq!(won(&[Failure(millis(10)), Success(millis(10))]), (1, millis(20)));
    assert_eq!(won(&[Success(millis(300)), Success(millis(10))]), (1, millis(260)));
    assert_eq!(won(&[Success(millis(300)), Success(millis(100))]), (0, millis(300)));
    assert_eq!(won(&[Success(millis(10)), Silence]), (0, millis(10)));
    assert_eq!(
        won(&[Silence, Failure(millis(5)), Success(millis(5))]),
        (2, millis(260))
    );
}

fn io_kind(connected: &Result<u16, Error>) -> Option<ErrorKind> {
    match connected {
        Err(Error::Io(error)) => Some(error.kind()),
        _ => None,
    }
}

/// F64: If all attempts fail, the error is that of the last one.
#[test]
fn f64_all_addresses_fail() {
    let (connected, at) = connect(&[Outcome::Failure(millis(400)), Outcome::Failure(millis(5))]);
    assert_eq!(io_kind(&connected), Some(ErrorKind::ConnectionRefused));
    assert_eq!(at, millis(400));
    assert_eq!(io_kind(&connect(&[]).0), Some(ErrorKind::NotFound));
}
