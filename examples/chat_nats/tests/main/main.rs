//! Two servers of the chat as processes, and a broker that is killed and started again.

mod process;
mod user;

use std::thread;
use std::time::Duration;

use process::Broker;
use sockless::CloseCode;
use sockless::adapter::{Error, std_net};
use user::{User, of_the_room};

/// How many messages of a guest may wait for the broker.
const MAX_WAITING: usize = 16;
/// How the lines of the two users begin.
const NAMES: [&str; 2] = ["Ana on a (1): ", "Bob on b (1): "];

/// Returns the lines of the room that both users see. Whether the server of Bob has received that
/// Ana joined before he did, or after it, is a matter of time.
fn from_joining(seen: &[String]) -> Vec<&str> {
    let lines = of_the_room(seen).into_iter();
    let lines: Vec<_> = lines.skip_while(|line| *line != "Bob on b (1) joined").collect();
    assert!(!lines.is_empty(), "{seen:?}");
    lines
}

/// The example of the documentation: what two users see, line by line.
#[test]
fn a_broker_restart_in_the_middle() {
    let Some(mut broker) = Broker::start("a_broker_restart_in_the_middle") else {
        return;
    };
    let ((_a, a), (_b, b)) = (broker.serve("a"), broker.serve("b"));
    let ana = User::join(&a, "Ana");
    ana.wait_for("Ana on a (1) joined");
    let bob = User::join(&b, "Bob");
    for user in [&ana, &bob] {
        user.wait_for("Bob on b (1) joined");
    }
    ana.say("before");
    for user in [&ana, &bob] {
        user.wait_for("Ana on a (1): before");
    }

    broker.kill();
    for user in [&ana, &bob] {
        user.wait_for("the broker has gone");
    }
    ana.say("in the middle");
    ana.wait_for("delayed");
    // Bob says too much: the first messages wait, the others are refused.
    for n in 1..=MAX_WAITING + 2 {
        bob.say(&format!("message {n}"));
    }
    bob.wait_for(&format!(
        "not sent, because {MAX_WAITING} messages of yours wait already: message {}",
        MAX_WAITING + 2
    ));

    broker.restart();
    let delayed = MAX_WAITING;
    for user in [&ana, &bob] {
        user.wait_for("the broker is back");
        user.wait_for("Ana on a (1): in the middle");
        user.wait_for(&format!("Bob on b (1): message {delayed}"));
    }
    bob.say("after");
    for user in [&ana, &bob] {
        user.wait_for("Bob on b (1): after");
    }

    let (ana, bob) = (ana.seen(), bob.seen());
    println!("Ana saw {ana:#?}\nBob saw {bob:#?}");
    assert_eq!(
        from_joining(&ana),
        from_joining(&bob),
        "the same lines in the same order"
    );
    let said = |from: &str| {
        let lines = of_the_room(&ana).into_iter();
        lines
            .filter_map(|line| line.strip_prefix(from).map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(said("Ana on a (1): "), ["before", "in the middle"]);
    let numbers = (1..=delayed).map(|n| format!("message {n}"));
    assert_eq!(
        said("Bob on b (1): "),
        numbers.chain(["after".into()]).collect::<Vec<_>>()
    );
    // Each message that waits, and each that is refused, was named.
    let of_the_servers = |seen: &[String]| {
        let of_the_room = of_the_room(seen);
        seen.iter()
            .filter(|line| !of_the_room.contains(&line.as_str()))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of_the_servers(&ana),
        [
            "you are Ana on a (1)",
            "the broker has gone: messages are delayed",
            "delayed, until the broker is there again: in the middle",
            "the broker is back",
        ]
    );
    let mut expected = vec![
        "you are Bob on b (1)".to_owned(),
        "the broker has gone: messages are delayed".into(),
    ];
    expected.extend((1..=delayed).map(|n| format!("delayed, until the broker is there again: message {n}")));
    expected.extend((1..=2).map(|n| {
        let text = format!("message {}", delayed + n);
        format!("not sent, because {MAX_WAITING} messages of yours wait already: {text}")
    }));
    expected.push("the broker is back".into());
    assert_eq!(of_the_servers(&bob), expected);
}

/// The broker is killed while messages are on their way. Each is seen by both once and in order, or
/// its sender was told that it was refused, and nobody sees it.
#[test]
fn messages_on_their_way_are_neither_lost_nor_repeated() {
    let Some(mut broker) = Broker::start("messages_on_their_way") else {
        return;
    };
    let ((_a, a), (_b, b)) = (broker.serve("a"), broker.serve("b"));
    let ana = User::join(&a, "Ana");
    ana.wait_for("Ana on a (1) joined");
    let users = [ana, User::join(&b, "Bob")];
    for user in &users {
        user.wait_for("Bob on b (1) joined");
    }
    for round in 0..4 {
        // The servers allow a burst of about 80 messages, and then five in a second.
        for n in 0..15 {
            users.iter().for_each(|user| user.say(&format!("{round}.{n}")));
            if n == 3 * round {
                broker.kill();
            }
        }
        thread::sleep(Duration::from_millis(100 * round));
        broker.restart();
        for (user, name) in users.iter().zip(NAMES) {
            user.wait("an outcome for each message", |seen| {
                let is_outcome = |line: &&String| line.starts_with(name) || line.starts_with("not sent");
                seen.iter().filter(is_outcome).count() as u64 >= 15 * (round + 1)
            });
        }
    }
    for (user, name) in users.iter().zip(NAMES) {
        user.say("the end");
        let end = format!("{name}the end");
        users.iter().for_each(|user| user.wait_for(&end));
    }
    let seen = users.each_ref().map(User::seen);
    assert_eq!(
        from_joining(&seen[0]),
        from_joining(&seen[1]),
        "the same lines in the same order"
    );
    let mut refused = 0;
    for (name, seen) in NAMES.into_iter().zip(&seen) {
        let said: Vec<_> = seen.iter().filter_map(|line| line.strip_prefix(name)).collect();
        let all = (0..4).flat_map(|round| (0..15).map(move |n| format!("{round}.{n}")));
        let is_refused = |text: &String| {
            seen.iter()
                .any(|line| line.starts_with("not sent") && line.ends_with(&format!(": {text}")))
        };
        let (gone, sent): (Vec<_>, Vec<_>) = all.partition(is_refused);
        refused += gone.len();
        assert_eq!(said, [sent, vec!["the end".into()]].concat(), "{seen:#?}");
    }
    println!("{refused} of 120 messages were refused");
}

/// The servers may start first.
#[test]
fn a_broker_that_is_not_there_yet() {
    let Some(mut broker) = Broker::start("not_there_yet") else {
        return;
    };
    broker.kill();
    let (_a, a) = broker.serve("a");
    let ana = User::join(&a, "Ana");
    ana.say("early");
    ana.wait_for("delayed, until the broker is there again: early");
    broker.restart();
    ana.wait_for("Ana on a (1): early");
}

/// The lines for the others do not wait for a guest that does not read.
#[test]
fn a_guest_that_does_not_read() {
    let Some(broker) = Broker::start("does_not_read") else {
        return;
    };
    let (_a, a) = broker.serve("a");
    let ana = User::join(&a, "Ana");
    let slow = std_net::connect(&format!("ws://{a}/?name=Slow")).unwrap();
    ana.wait_for("Slow on a (2) joined");
    // Guests that come, say much, and leave: a guest may not say so much alone.
    let message = "x".repeat(2000);
    for _ in 0..2000 {
        let guest = User::join(&a, "guest");
        for _ in 0..7 {
            guest.say(&message);
        }
        drop(guest);
        if ana.seen().iter().any(|line| line == "Slow on a (2) left") {
            break;
        }
    }
    ana.wait_for("Slow on a (2) left");
    drop(slow);
    ana.say("still here");
    ana.wait_for("Ana on a (1): still here");
}

/// A guest that was dismissed may send until its Close frame arrives. The others do not get that.
#[test]
fn a_guest_that_was_dismissed() {
    let Some(broker) = Broker::start("was_dismissed") else {
        return;
    };
    let (_a, a) = broker.serve("a");
    let ana = User::join(&a, "Ana");
    let mut rude = std_net::connect(&format!("ws://{a}/?name=Rude")).unwrap();
    ana.wait_for("Rude on a (2) joined");
    rude.feed(&b"no text"[..]).unwrap();
    rude.feed("late").unwrap();
    rude.flush().unwrap();
    let end = loop {
        match rude.recv() {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    let Err(Error::Closed(status)) = end else {
        panic!("{end:?}")
    };
    assert_eq!(status.code(), CloseCode::UNSUPPORTED_DATA);
    ana.wait_for("Rude on a (2) left");
    let seen = ana.seen();
    assert!(!seen.iter().any(|line| line.ends_with("late")), "{seen:#?}");
}
