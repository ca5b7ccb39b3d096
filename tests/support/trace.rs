//! A subscriber of `tracing` that collects the events of the crate.

use std::{
    cell::RefCell,
    fmt::{self, Write},
    sync::Once,
};

use sockless::Role;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::set_global_default,
};

use crate::role_name;

thread_local! {
    /// What this thread has collected, while it collects.
    static EVENTS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Calls a function. Returns the events of this thread meanwhile, as `LEVEL message field=value …`.
///
/// The subscriber is that of all threads: of one thread alone, `tracing` may decide that an event
/// interests nobody, because a thread without a subscriber came to its place first.
pub fn events(function: impl FnOnce()) -> Vec<String> {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| set_global_default(Collector).unwrap());
    let before = EVENTS.replace(Some(Vec::new()));
    assert!(before.is_none(), "it is not called inside of itself");
    function();
    EVENTS.take().unwrap_or_default()
}

/// The event of a connection that has opened, without subprotocol and extensions.
pub fn opened(role: Role) -> String {
    let name = role_name(role);
    format!("DEBUG connection opened role=\"{name}\" has_subprotocol=false deflate=None")
}

struct Collector;

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sockless")
    }

    fn event(&self, event: &Event<'_>) {
        assert_eq!(event.metadata().target(), "sockless");
        EVENTS.with_borrow_mut(|events| {
            let Some(events) = events else { return };
            let mut line = Line {
                message: event.metadata().level().to_string(),
                fields: String::new(),
            };
            event.record(&mut line);
            events.push(line.message + &line.fields);
        });
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        panic!("the crate has no spans")
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.message, " {value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
        written.unwrap();
    }
}
