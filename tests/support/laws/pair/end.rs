//! One end, and what is known of it.

use std::collections::VecDeque;

use sockless::{
    Accept, ClosedBy, Config, Connection, MessageKind, ProtocolError, Request, Role, State, error::LocalHandshakeError,
};

use crate::{
    known::{self, CloseBody, Item, Opening},
    laws::options::{delivery, with_fragment_size},
};

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) chunks: bool,
    pub(super) auto_pong: bool,
    pub(super) auto_close: bool,
    pub(super) fragment_size: u8,
    pub(super) compressed: bool,
}

impl Settings {
    pub(super) fn read(bits: u8, fragment_size: u8, compressed: bool) -> Self {
        let bit = |bit: u32| bits >> bit & 1 == 1;
        Self {
            chunks: bit(0),
            auto_pong: !bit(1),
            auto_close: !bit(2),
            fragment_size: if bit(3) { fragment_size } else { 0 },
            compressed,
        }
    }

    pub(super) fn config(self) -> Config {
        let config = with_fragment_size(self.fragment_size)
            .delivery(delivery(self.chunks))
            .auto_pong(self.auto_pong)
            .auto_close(self.auto_close);
        #[cfg(feature = "deflate")]
        if self.compressed {
            return config.deflate(sockless::deflate::DeflateConfig::new().threshold(20));
        }
        config
    }
}

/// One end: the connection, and what is known of it.
pub(super) struct End {
    pub(super) role: Role,
    pub(super) settings: Settings,
    pub(super) engine: Connection,
    /// What the other end has not received yet.
    pub(super) out: Vec<u8>,
    /// What the other end has to receive, in order.
    pub(super) sent: VecDeque<Item>,
    pub(super) opening: Opening,
    pub(super) request: Option<Request<'static>>,
    pub(super) close_sent: Option<CloseBody>,
    pub(super) close_received: Option<CloseBody>,
    pub(super) closed_by: Option<ClosedBy>,
    pub(super) error: Option<ProtocolError>,
    /// The message in progress that this end sends.
    pub(super) sending: Option<(MessageKind, Vec<u8>)>,
    /// The chunks of the message in progress that this end receives.
    pub(super) receiving: Vec<u8>,
    /// Its input has ended.
    pub(super) input_ended: bool,
}

impl End {
    pub(super) fn new(role: Role, settings: Settings, engine: Connection) -> Self {
        Self {
            role,
            settings,
            engine,
            out: Vec::new(),
            sent: VecDeque::new(),
            opening: Opening::Begun,
            request: None,
            close_sent: None,
            close_received: None,
            closed_by: None,
            error: None,
            sending: None,
            receiving: Vec::new(),
            input_ended: false,
        }
    }

    pub(super) fn expected_state(&self) -> State {
        known::expected_state(
            self.opening,
            [&self.close_sent, &self.close_received],
            self.error.is_some(),
        )
    }

    pub(super) fn is_done(&self) -> bool {
        self.expected_state() == State::Closed
    }

    pub(super) fn check(&self) {
        assert_eq!(self.engine.state(), self.expected_state());
        let reported = self.engine.close_status().map(|status| {
            let [sent, received] = known::closes_of(status);
            (status.by, sent, received, status.error)
        });
        let expected = self
            .closed_by
            .map(|by| (by, self.close_sent.clone(), self.close_received.clone(), self.error));
        assert_eq!(reported, expected, "an end reports the close as it was");
        assert_eq!(self.engine.teardown().is_some(), self.is_done());
    }

    pub(super) fn accept(&mut self) {
        let Some(request) = &self.request else {
            return;
        };
        let before = (self.out.len(), known::shown(&self.engine));
        let result = self.engine.accept(request, &Accept::new().any_origin(), &mut self.out);
        self.check_decision(result, Opening::Accepted, before);
    }

    pub(super) fn reject(&mut self) {
        let before = (self.out.len(), known::shown(&self.engine));
        let result = self.engine.reject(403, &[], b"no", &mut self.out);
        self.check_decision(result, Opening::Refused, before);
    }

    /// Checks and notes a decision on the request. `before`: the length of the output, and what the
    /// engine showed.
    fn check_decision(&mut self, result: Result<(), LocalHandshakeError>, opening: Opening, before: (usize, String)) {
        if self.opening == Opening::Deciding && self.error.is_none() {
            assert_eq!(result, Ok(()));
            self.opening = opening;
        } else {
            assert!(result.is_err());
            let after = (self.out.len(), known::shown(&self.engine));
            assert_eq!(after, before, "a refused call changes nothing");
        }
    }
}
