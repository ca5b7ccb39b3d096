//! A subscriber of `tracing` that collects the events of the crate.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use sockless::Role;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::with_default,
};

use crate::role_name;

/// Calls a function. Returns the events of this thread meanwhile, as `LEVEL message field=value …`.
pub fn events(function: impl FnOnce()) -> Vec<String> {
    let collector = Collector::default();
    with_default(collector.clone(), function);
    let events = collector.0.lock().unwrap();
    events.clone()
}

/// The event of a connection that has opened, without subprotocol and extensions.
pub fn opened(role: Role) -> String {
    let name = role_name(role);
    format!("DEBUG connection opened role=\"{name}\" has_subprotocol=false deflate=None")
}

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<String>>>);

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sockless")
    }

    fn event(&self, event: &Event<'_>) {
        assert_eq!(event.metadata().target(), "sockless");
        let mut line = Line {
            message: event.metadata().level().to_string(),
            fields: String::new(),
        };
        event.record(&mut line);
        self.0.lock().unwrap().push(line.message + &line.fields);
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
