//! A bare event loop on mio. One buffer to read into and one to write from serve all connections. There are no deadlines:
//! `echo_mio` of `examples/runtimes` is the loop for the world outside.

use std::{
    io::{self, ErrorKind, Read, Write},
    mem,
    net::TcpListener,
};

use mio::{Events, Interest, Poll, Token, event::Event, net::TcpStream};

const LISTENER: Token = Token(usize::MAX);
/// How much is read at a time.
const INPUT_SIZE: usize = 64 << 10;

/// The protocol, of one connection.
pub trait Session: Default {
    /// Takes what was read, and appends what is to be written.
    fn receive(&mut self, input: &mut [u8], out: &mut Vec<u8>);
}

struct Connection<S> {
    tcp: TcpStream,
    session: S,
    /// What the socket did not take. Until it does, nothing is read.
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
                && connection.turn(event, &mut input, &mut out).is_err()
            {
                connections[event.token().0] = None;
            }
        }
    }
}

impl<S: Session> Connection<S> {
    /// Reads and answers until nothing more has come, or the socket takes no more.
    fn turn(&mut self, event: &Event, input: &mut [u8], out: &mut Vec<u8>) -> io::Result<()> {
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
            // Before an error ends this: nobody must get the output of another.
            out.clear();
            written?;
            // A short read has emptied the socket: what comes after it is reported anew. The end of the transport may have
            // been reported already.
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
