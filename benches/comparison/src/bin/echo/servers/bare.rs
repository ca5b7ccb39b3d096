//! An event loop on mio, and the same loop on tokio, without deadlines. All connections share one
//! input buffer and one output buffer. A server on the internet needs deadlines: see `echo_mio` in
//! `examples/runtimes`.

use std::{
    cell::RefCell,
    io::{self, ErrorKind, Read, Write},
    mem,
    net::TcpListener,
};

use mio::{Events, Interest, Poll, Token, event::Event, net::TcpStream};

use super::tokio::serve;

const LISTENER: Token = Token(usize::MAX);
/// The maximum length of a read.
const INPUT_SIZE: usize = 64 << 10;

/// The protocol of one connection.
pub trait Session: Default {
    /// Processes the input and appends the output.
    fn receive(&mut self, input: &mut [u8], out: &mut Vec<u8>);
}

struct Connection<S> {
    tcp: TcpStream,
    session: S,
    /// The output that the socket has not accepted. Until it is written, nothing is read.
    backlog: Vec<u8>,
}

pub fn run<S: Session>(listener: TcpListener) {
    listener.set_nonblocking(true).unwrap();
    let mut listener = mio::net::TcpListener::from_std(listener);
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1024));
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    let (mut input, mut out) = (vec![0; INPUT_SIZE], Vec::new());
    let mut connections: Vec<Option<Connection<S>>> = Vec::new();
    loop {
        poll.poll(&mut events, None).unwrap();
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut tcp, _)) = listener.accept() {
                    tcp.set_nodelay(true).unwrap();
                    let free = connections.iter().position(Option::is_none);
                    let index = free.unwrap_or(connections.len());
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut tcp, Token(index), interest).unwrap();
                    connections.resize_with(connections.len().max(index + 1), || None);
                    connections[index] = Some(Connection {
                        tcp,
                        session: S::default(),
                        backlog: Vec::new(),
                    });
                }
            } else if let Some(connection) = &mut connections[event.token().0]
                && connection.process(event, &mut input, &mut out).is_err()
            {
                connections[event.token().0] = None;
            }
        }
    }
}

impl<S: Session> Connection<S> {
    /// Reads and answers until there is no input, or the socket accepts no output.
    fn process(&mut self, event: &Event, input: &mut [u8], out: &mut Vec<u8>) -> io::Result<()> {
        let backlog = mem::take(&mut self.backlog);
        self.write(&backlog)?;
        while self.backlog.is_empty() {
            let n = match self.tcp.read(input) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            self.session.receive(&mut input[..n], out);
            let written = self.write(out);
            // Also after an error: the output must not go to another connection.
            out.clear();
            written?;
            // After a short read the socket is empty, and later input causes a new event. The end
            // of the transport may be part of this event.
            if n < input.len() && !event.is_read_closed() {
                break;
            }
        }
        Ok(())
    }

    fn write(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.tcp.write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.backlog.extend_from_slice(rest);
        Ok(())
    }
}

/// The same loop on tokio's current-thread runtime: a task for each connection, its buffers those
/// of the thread, and no deadlines. What it takes longer than the loop on mio is the cost of the
/// runtime.
pub fn run_on_tokio<S: Session + Send + 'static>(listener: TcpListener) {
    serve(listener, |tcp| async move {
        let mut session = S::default();
        while tcp.readable().await.is_ok() && exchange(&tcp, &mut session).await.is_ok() {}
    });
}

thread_local! {
    static BUFFERS: RefCell<(Vec<u8>, Vec<u8>)> = RefCell::new((vec![0; INPUT_SIZE], Vec::new()));
}

/// Reads once and answers.
async fn exchange<S: Session>(tcp: &tokio::net::TcpStream, session: &mut S) -> io::Result<()> {
    let backlog = BUFFERS.with_borrow_mut(|(input, out)| {
        let n = match tcp.try_read(input) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        out.clear();
        session.receive(&mut input[..n], out);
        let written = match tcp.try_write(out) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            written => written?,
        };
        Ok(out[written..].to_vec())
    })?;
    let mut rest = &backlog[..];
    while !rest.is_empty() {
        tcp.writable().await?;
        match tcp.try_write(rest) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            written => rest = &rest[written?..],
        }
    }
    Ok(())
}
