//! The law of two connected ends: any calls, permitted or not, and any deliveries.
//!
//! What is permitted, and what has to be written for it, is computed from RFC 6455: from the calls
//! that were accepted and the events that were received, not from the state machine of the crate.

mod calls;
mod end;
mod receiving;

use sockless::{Connection, MessageKind, Role, State, Teardown};

use self::{
    calls::Call,
    end::{End, Settings},
};
use super::options::Cursor;
use crate::{ROLES, heads::plain, known::Opening};

/// The maximum number of steps. Further ones find no further failures.
const MAX_STEPS: usize = 150;

/// For any calls on two connected ends and any deliveries: what the RFC permits is accepted, writes
/// the frames that it has to and nothing else; anything else is refused with the right error,
/// writes nothing and changes nothing. What is sent is received, in order and whole. At the end,
/// everything is delivered, and both ends are closed, clean, and report the same. The memory is
/// bounded by what has arrived.
pub fn pair(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let [bits, client_bits, server_bits, client_size, server_size] = cursor.array();
    let compressed = cfg!(feature = "deflate") && bits & 1 == 1;
    let mut pair = Pair::new(
        Settings::read(client_bits, client_size, compressed),
        Settings::read(server_bits, server_size, compressed),
    );
    if bits & 2 == 0 {
        pair.complete_handshake();
    }
    for _ in 0..MAX_STEPS {
        if cursor.rest().is_empty() {
            break;
        }
        pair.step(&mut cursor);
        pair.check();
    }
    pair.finish();
}

struct Pair {
    client: End,
    server: End,
    /// A transport has ended.
    broken: bool,
}

impl Pair {
    fn new(client: Settings, server: Settings) -> Self {
        let mut out = Vec::new();
        let engine = Connection::client(&plain(), client.config(), [3; 32], &mut out).unwrap();
        let mut pair = Self {
            client: End::new(Role::Client, client, engine),
            server: End::new(Role::Server, server, Connection::server(server.config())),
            broken: false,
        };
        pair.client.out = out;
        pair
    }

    fn ends(&mut self, role: Role) -> (&mut End, &mut End) {
        match role {
            Role::Client => (&mut self.client, &mut self.server),
            Role::Server => (&mut self.server, &mut self.client),
        }
    }

    fn complete_handshake(&mut self) {
        while self.client.opening == Opening::Begun {
            self.deliver(Role::Client, usize::MAX);
            if self.server.opening == Opening::Deciding {
                self.server.accept();
            }
            self.deliver(Role::Server, usize::MAX);
        }
    }

    fn step(&mut self, cursor: &mut Cursor<'_>) {
        let choice = cursor.byte();
        let role = ROLES[usize::from(choice >> 7)];
        match choice % 32 {
            0..=7 => self.deliver(role, cursor.byte().into()),
            8..=11 => self.deliver(role, usize::MAX),
            12 => self.ends(role).0.accept(),
            13 if choice & 0x60 == 0x60 => self.ends(role).0.reject(),
            14 if choice & 0x60 == 0x60 => self.end_input(role),
            _ => {
                let end = self.ends(role).0;
                let call = end.read_call(choice, cursor);
                end.call(&call);
            }
        }
    }

    /// Delivers up to `len` bytes of one end to the other.
    fn deliver(&mut self, from: Role, len: usize) {
        let (sender, receiver) = self.ends(from);
        if receiver.input_ended {
            sender.out.clear();
            return;
        }
        let rest = sender.out.split_off(len.min(sender.out.len()));
        let bytes = std::mem::replace(&mut sender.out, rest);
        receiver.receive(bytes, &mut sender.sent);
    }

    /// The input of an end ends.
    fn end_input(&mut self, role: Role) {
        self.broken = true;
        self.ends(role).0.end_input();
    }

    fn check(&self) {
        for end in [&self.client, &self.server] {
            end.check();
        }
        assert!(
            self.client.opening != Opening::Refused || self.server.opening == Opening::Refused,
            "only the server refuses"
        );
    }

    /// Delivers everything, answers what the applications have to answer, and closes.
    fn finish(&mut self) {
        for round in 0.. {
            assert!(round < 20, "the closing handshake ends");
            while !self.client.out.is_empty() || !self.server.out.is_empty() {
                self.deliver(Role::Client, usize::MAX);
                self.deliver(Role::Server, usize::MAX);
            }
            self.check();
            if self.client.is_done() && self.server.is_done() {
                break;
            }
            if self.broken {
                self.end_input(Role::Client);
                self.end_input(Role::Server);
            } else if self.server.opening == Opening::Deciding {
                self.server.accept();
            } else if self.server.close_received.is_some() && self.server.close_sent.is_none() {
                self.server.call(&Call::Close(Some((1000, String::new()))));
            } else if self.client.close_sent.is_none() {
                self.client.call(&Call::Close(Some((1000, "done".to_owned()))));
            }
        }
        for end in [&mut self.client, &mut self.server] {
            assert_eq!(end.engine.state(), State::Closed);
            assert!(end.engine.teardown().is_some());
            end.call(&Call::Ping(Vec::new()));
            end.call(&Call::Message(MessageKind::Text, b"late".to_vec()));
        }
        if self.broken || self.client.opening == Opening::Refused {
            return;
        }
        assert_eq!(self.client.close_sent, self.server.close_received);
        assert_eq!(self.server.close_sent, self.client.close_received);
        for end in [&self.client, &self.server] {
            assert!(end.engine.close_status().unwrap().is_clean());
        }
        assert_eq!(self.client.engine.teardown(), Some(Teardown::AwaitPeer));
        assert_eq!(self.server.engine.teardown(), Some(Teardown::Close));
    }
}
