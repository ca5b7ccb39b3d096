//! A counterexample as two recordings, one of each end.

use std::{
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sockless::{
    Config, Connection, Role,
    recording::{Recorder, Recording},
};
use support::{ROLES, known, role_name};

use super::{
    connect::{Begin, Clock, Connect, SEED},
    conversation::index,
    explore::{Counterexample, Model, NO_PANIC, run_from, started},
};

/// Connections that are recorded.
#[derive(Default)]
struct Recorded {
    texts: [Arc<Mutex<String>>; 2],
    clock: Clock,
}

impl Recorded {
    fn recorder(&self, role: Role) -> Recorder {
        let (text, clock) = (self.texts[index(role)].clone(), self.clock.clone());
        Recorder::new(move |lines| text.lock().unwrap_or_else(PoisonError::into_inner).push_str(lines))
            .clock(move || Duration::from_micros(clock.microseconds()))
    }

    fn text(&self, role: Role) -> String {
        let text = self.texts[index(role)].lock();
        text.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Connect for Recorded {
    fn connect(&self, begin: Begin<'_>, config: Config) -> Connection {
        match begin {
            Begin::Client(request, out) => self.recorder(Role::Client).client(request, config, SEED, out).unwrap(),
            Begin::Server => self.recorder(Role::Server).server(config),
            Begin::Upgraded(role @ Role::Client, negotiated) => {
                self.recorder(role).upgraded_client(negotiated, config, SEED)
            }
            Begin::Upgraded(role @ Role::Server, negotiated) => self.recorder(role).upgraded_server(negotiated, config),
        }
    }

    fn clock(&self) -> Clock {
        self.clock.clone()
    }
}

/// The recordings of both ends, for a person and as files.
pub(super) fn recordings<M: Model>(setup: &M::Setup, found: &Counterexample<M::Action>) -> String {
    // The calls that have to be refused are left out, unless one of them shows the violation.
    let text = record::<M>(setup, found, false).or_else(|| record::<M>(setup, found, true));
    text.unwrap_or_else(|| {
        "There is no recording: it is found on a fast path, which recorded ends do not take.\n".into()
    })
}

/// The recordings, if the same rule is broken while the ends are recorded.
fn record<M: Model>(setup: &M::Setup, found: &Counterexample<M::Action>, tries_refused: bool) -> Option<String> {
    for ending in 0..M::endings(setup) {
        let recorded = Recorded::default();
        let mut state = started::<M>(setup, &recorded).ok()?;
        if !tries_refused {
            state.leave_out_refused_calls();
        }
        match run_from(&mut state, &found.actions, ending).1 {
            Err(violation) if violation.rule == found.violation.rule => {
                // The call that panics is not recorded.
                let has_last_state = violation.rule != NO_PANIC;
                let engines = state.engines().map(|engine| has_last_state.then_some(engine));
                let texts = ROLES.map(|role| text_of(role, &recorded.text(role), engines[index(role)]));
                return Some(texts.concat());
            }
            _ => {}
        }
    }
    None
}

/// A recording as a conversation, and as a file. Its replay leads to the state of `engine`.
fn text_of(role: Role, text: &str, engine: Option<&Connection>) -> String {
    let replay = match replay(text, engine) {
        Ok(outcome) => outcome.to_owned(),
        Err(error) => format!("does not replay: {error}"),
    };
    let mut shown = format!("The {}; its recording {replay}:\n", role_name(role));
    if let Ok(recording) = Recording::parse(text) {
        write!(shown, "{}", recording.conversation()).unwrap();
    }
    format!("{shown}The recording of the {}:\n{text}\n", role_name(role))
}

fn replay(text: &str, engine: Option<&Connection>) -> Result<&'static str, String> {
    let recording = Recording::parse(text).map_err(|error| error.to_string())?;
    let replayed = recording.replay().map_err(|error| error.to_string())?;
    match engine.map(known::shown) {
        None => Ok("replays up to the call that panics"),
        Some(shown) if shown == known::shown(&replayed) => Ok("replays to the same state"),
        Some(shown) => Err(format!("{shown} became {}", known::shown(&replayed))),
    }
}
