//! What an endpoint makes of a case.

use sockless::{CloseCode, CloseFrame, Config, Event};
use support::{
    feed_cut, frames,
    laws::reference::{self, Limits},
    upgraded, without_fast_paths,
};

use crate::case::{Case, Deflate};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// What was delivered. A Close frame is the last of them.
    pub(crate) events: Vec<Event<'static>>,
    /// The code of the Close frame that the violation demands.
    pub(crate) violation: Option<u16>,
    /// The frames that the endpoint has sent since, as first bytes and payloads.
    pub(crate) replies: Vec<(u8, Vec<u8>)>,
}

impl Verdict {
    /// Whether the endpoint takes no more.
    pub(crate) fn has_ended(&self) -> bool {
        self.violation.is_some() || matches!(self.events.last(), Some(Event::Close(_)))
    }

    /// Removes the replies of an endpoint whose application makes them.
    pub(crate) fn with_replies(mut self, has_replies: bool) -> Self {
        if !has_replies {
            self.replies.clear();
        }
        self
    }

    pub(crate) fn text(&mut self, text: String) {
        self.events.push(Event::Text(text.into()));
    }

    pub(crate) fn close(&mut self, code: u16, reason: String) {
        self.events.push(Event::Close(Some(CloseFrame::new(code, reason))));
    }
}

/// The verdict of the engine.
pub(crate) fn of_sockless(case: &Case) -> Verdict {
    let config = Config::new().max_message_size(case.limit);
    let negotiated = case.deflate.map(Deflate::negotiated).unwrap_or_default();
    let mut connection = upgraded(case.role, &negotiated, config);
    if !case.fast_paths {
        connection = without_fast_paths(connection);
    }
    let mut first = Vec::new();
    if case.closes_first {
        connection
            .close(CloseCode::NORMAL, "", &mut first)
            .expect("the connection is open");
    }
    let stream = case.stream();
    let outcome = feed_cut(&mut connection, &stream, &case.cuts(stream.len()));
    Verdict {
        events: outcome.events,
        violation: outcome.error.map(|error| error.close_code().0),
        replies: frames(case.role, &outcome.out),
    }
}

/// The verdict of the slow reference decoder, which has no replies.
pub(crate) fn of_reference(case: &Case) -> Verdict {
    let limits = Limits {
        message_size: case.limit,
        fragments: u32::MAX,
    };
    let expected = reference::receive(case.role, &case.stream(), limits);
    Verdict {
        events: expected.events,
        violation: expected.error.map(reference::close_code),
        replies: Vec::new(),
    }
}
