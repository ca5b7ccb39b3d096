//! The search: every action in every state, to a depth, by replay.

use std::{
    any::Any,
    collections::HashSet,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use super::connect::{Connect, Plain};

/// A rule that a conversation has broken.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) rule: &'static str,
    pub(super) text: String,
}

impl Violation {
    pub(super) fn new(rule: &'static str, text: impl fmt::Display) -> Self {
        let text = text.to_string();
        Self { rule, text }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.text)
    }
}

/// Fails with `rule`, unless `holds`.
pub(super) fn require(holds: bool, rule: &'static str, text: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds {
        Ok(())
    } else {
        Err(Violation::new(rule, text()))
    }
}

/// Fails with `rule`, unless the two are equal.
pub(super) fn require_equal<T: PartialEq + fmt::Debug>(
    actual: &T,
    expected: &T,
    rule: &'static str,
    subject: &str,
) -> Result<(), Violation> {
    require(actual == expected, rule, || {
        format!("{subject}: {actual:?}, where {expected:?} is expected")
    })
}

/// What is explored: states that are made by actions.
pub(super) trait Model: Sized {
    type Setup;
    type Action: Copy + fmt::Debug;

    /// The first state. Actions that every conversation begins with are [`Self::prefix`].
    fn start(setup: &Self::Setup, connect: &dyn Connect) -> Self;

    fn prefix(setup: &Self::Setup) -> &[Self::Action];

    /// The actions that are possible, in an order that depends on the state alone.
    fn actions(&self) -> Vec<Self::Action>;

    /// Takes one action. Actions that are not possible have no effect.
    fn apply(&mut self, action: Self::Action) -> Result<(), Violation>;

    /// Checks what has to hold in every state.
    fn check(&self) -> Result<(), Violation>;

    /// A hash of all that can be observed. It may take the state apart.
    fn fingerprint(self) -> u64;

    /// In how many ways a conversation is ended.
    fn endings(setup: &Self::Setup) -> usize;

    /// Ends the conversation properly from this state, in one of the ways, and checks how it ended.
    fn settle(&mut self, ending: usize) -> Result<(), Violation>;

    /// Keeps a text of what happens from now on.
    fn keep_log(&mut self);

    fn take_log(&mut self) -> Vec<String>;

    /// From now on, calls that have to be refused are not made.
    #[cfg(feature = "recording")]
    fn leave_out_refused_calls(&mut self);

    /// The client and the server.
    #[cfg(feature = "recording")]
    fn engines(&self) -> [&sockless::Connection; 2];
}

pub(super) const NO_PANIC: &str = "no panic";

/// What an exploration has done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) depth: usize,
    pub(super) states: usize,
    pub(super) transitions: usize,
    pub(super) time: Duration,
}

/// A sequence of actions that leads to a violation.
pub(super) struct Counterexample<A> {
    pub(super) violation: Violation,
    pub(super) actions: Vec<A>,
}

/// A state: the one before it, and the action that leads from there.
struct Node<A> {
    before: usize,
    action: Option<A>,
}

pub(super) fn explore<M: Model>(setup: &M::Setup, depth: usize) -> Result<Counts, Counterexample<M::Action>> {
    let begin = Instant::now();
    let mut nodes = vec![Node {
        before: 0,
        action: None,
    }];
    let mut known = HashSet::from([M::start(setup, &Plain).fingerprint()]);
    let (mut transitions, mut frontier) = (0, 0..1);
    check_settled::<M>(setup, &[])?;
    for _ in 0..depth {
        for index in frontier.clone() {
            let path = path(&nodes, index);
            let possible = guarded(|| replay::<M>(setup, &path).map(|state| state.actions()));
            let possible = possible.map_err(|violation| counterexample(violation, &path))?;
            for action in possible {
                transitions += 1;
                let path: Vec<_> = path.iter().copied().chain([action]).collect();
                let fingerprint = guarded(|| replay::<M>(setup, &path).map(M::fingerprint));
                if known.insert(fingerprint.map_err(|violation| counterexample(violation, &path))?) {
                    nodes.push(Node {
                        before: index,
                        action: Some(action),
                    });
                    check_settled::<M>(setup, &path)?;
                }
            }
        }
        frontier = frontier.end..nodes.len();
    }
    Ok(Counts {
        depth,
        states: nodes.len(),
        transitions,
        time: begin.elapsed(),
    })
}

fn path<A: Copy>(nodes: &[Node<A>], mut index: usize) -> Vec<A> {
    let mut path = Vec::new();
    while let Some(action) = nodes[index].action {
        path.push(action);
        index = nodes[index].before;
    }
    path.reverse();
    path
}

fn counterexample<A: Copy>(violation: Violation, actions: &[A]) -> Counterexample<A> {
    Counterexample {
        violation,
        actions: actions.to_vec(),
    }
}

/// The state after all actions, which is checked. Those before it were checked when they were new.
fn replay<M: Model>(setup: &M::Setup, actions: &[M::Action]) -> Result<M, Violation> {
    let mut state = M::start(setup, &Plain);
    for action in M::prefix(setup).iter().chain(actions) {
        state.apply(*action)?;
    }
    state.check()?;
    Ok(state)
}

fn check_settled<M: Model>(setup: &M::Setup, actions: &[M::Action]) -> Result<(), Counterexample<M::Action>> {
    for ending in 0..M::endings(setup) {
        guarded(|| replay::<M>(setup, actions)?.settle(ending))
            .map_err(|violation| counterexample(violation, actions))?;
    }
    Ok(())
}

/// A panic is a violation.
fn guarded<T>(run: impl FnOnce() -> Result<T, Violation>) -> Result<T, Violation> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| Err(Violation::new(NO_PANIC, message(&*payload))))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

/// Whether all of it, with every ending, is without a violation; and what happens.
pub(super) fn run<M: Model>(setup: &M::Setup, actions: &[M::Action]) -> (Vec<String>, Result<(), Violation>) {
    let mut last = (Vec::new(), Ok(()));
    for ending in 0..M::endings(setup) {
        last = run_to::<M>(setup, actions, ending);
        if last.1.is_err() {
            break;
        }
    }
    last
}

fn run_to<M: Model>(setup: &M::Setup, actions: &[M::Action], ending: usize) -> (Vec<String>, Result<(), Violation>) {
    match started::<M>(setup, &Plain) {
        Ok(mut state) => run_from(&mut state, actions, ending),
        Err(violation) => (Vec::new(), Err(violation)),
    }
}

pub(super) fn started<M: Model>(setup: &M::Setup, connect: &dyn Connect) -> Result<M, Violation> {
    guarded(|| Ok(M::start(setup, connect)))
}

/// Takes all actions from the first state, and ends the conversation.
pub(super) fn run_from<M: Model>(
    state: &mut M,
    actions: &[M::Action],
    ending: usize,
) -> (Vec<String>, Result<(), Violation>) {
    state.keep_log();
    let mut log = Vec::new();
    for action in actions {
        let result = guarded(|| state.apply(*action).and_then(|()| state.check()));
        log.extend(state.take_log());
        if result.is_err() {
            return (log, result);
        }
    }
    let result = guarded(|| state.settle(ending));
    log.extend(state.take_log());
    (log, result)
}

/// Leaves out actions, also of those that every conversation begins with, while the same rule is
/// broken.
pub(super) fn minimize<M: Model>(setup: &M::Setup, found: Counterexample<M::Action>) -> Counterexample<M::Action> {
    let mut smallest = found;
    smallest.actions = M::prefix(setup).iter().copied().chain(smallest.actions).collect();
    loop {
        let before = smallest.actions.len();
        for leave_out in (0..before).rev() {
            let mut fewer = smallest.actions.clone();
            fewer.remove(leave_out);
            match run::<M>(setup, &fewer).1 {
                Err(violation) if violation.rule == smallest.violation.rule => {
                    smallest = Counterexample {
                        violation,
                        actions: fewer,
                    };
                }
                _ => {}
            }
        }
        if smallest.actions.len() == before {
            return smallest;
        }
    }
}
