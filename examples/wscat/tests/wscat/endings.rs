//! How a connection ends, and the exit status.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::Child,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use sockless::CloseCode;

use crate::{
    process::{end, start, wscat},
    server::{accepting, echo, sending},
};

#[test]
fn the_exit_status_tells_codes_of_success_from_others() {
    for (code, exit) in [
        (Some(1000), 0),
        (Some(1001), 0),
        (None, 0),
        (Some(1011), 3),
        (Some(4000), 3),
    ] {
        let run = wscat(&["--wait", "forever", &sending(&["last"], code, "")], "");
        assert_eq!(run.exits(exit), "last\n", "{code:?}");
        assert_eq!(run.stderr.is_empty(), exit == 0, "{}", run.stderr);
    }
}

#[test]
fn the_code_and_the_reason_are_shown_and_nothing_in_it_controls_a_terminal() {
    let url = sending(&[], 1011, "out of \u{1b}[2J m\u{e9}moire\n* fake");
    let run = wscat(&["--wait", "forever", &url], "");
    run.exits(3);
    assert_eq!(
        run.stderr,
        "* closed by the server with code 1011 (internal error): out of \\u{1b}[2J m\u{e9}moire\\n* fake\n"
    );
}

#[test]
fn a_connection_that_ends_without_a_close_frame_is_lost() {
    let url = accepting(|mut ws| {
        ws.send("last").unwrap();
        drop(ws.into_parts());
    });
    let run = wscat(&["--wait", "forever", &url], "");
    assert_eq!(run.exits(4), "last\n");
    run.says("* the connection was lost: ");
}

#[test]
fn a_violation_of_the_protocol_is_a_connection_lost() {
    let url = accepting(|ws| {
        let mut parts = ws.into_parts();
        parts.transport.write_all(b"\x83\x00").unwrap();
        thread::sleep(Duration::from_secs(1));
    });
    let run = wscat(&["--wait", "forever", &url], "");
    run.exits(4);
    run.says("opcode");
}

#[test]
fn a_server_that_answers_no_ping_is_given_up() {
    let url = accepting(|ws| {
        let _kept = ws;
        thread::sleep(Duration::from_secs(60));
    });
    let run = wscat(&["--ping", "0.2", "--wait", "forever", &url], "");
    run.exits(4);
    run.says("the peer did not answer a Ping");
}

#[test]
fn pings_are_answered_and_round_trips_shown() {
    let run = wscat(&["-v", "--ping", "0.1", "--wait", "0.5", &echo()], "");
    run.exits(0);
    run.says("* Pong received, round trip ")
        .says("* closed by this side with code 1000 (normal closure)\n");
}

#[test]
fn the_end_of_the_input_leaves_time_for_the_answers() {
    let url = accepting(|mut ws| {
        ws.recv().unwrap();
        for answer in ["one", "two", "three"] {
            thread::sleep(Duration::from_millis(500));
            ws.send(answer).unwrap();
        }
        while let Ok(Some(_)) = ws.recv() {}
    });
    assert_eq!(wscat(&["--wait", "5", &url], "go\n").exits(0), "one\ntwo\nthree\n");
}

#[test]
fn answers_come_while_the_input_is_open() {
    let mut child = start(&[&echo()]);
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in ["one", "two"] {
        writeln!(child.stdin.as_mut().unwrap(), "{line}").unwrap();
        assert_eq!(answers.next().unwrap().unwrap(), line);
    }
    drop(child.stdin.take());
    end(child).exits(0);
}

#[test]
fn the_end_of_the_server_ends_the_program_although_the_input_is_open() {
    let child = start(&[&sending(&["bye"], 1000, "")]);
    let started = Instant::now();
    assert_eq!(end_with_open_input(child), (Some(0), "bye\n".to_owned()));
    assert!(
        started.elapsed() < Duration::from_secs(50),
        "it does not wait for the input"
    );
}

fn end_with_open_input(mut child: Child) -> (Option<i32>, String) {
    let stdin = child.stdin.take();
    let run = end(child);
    drop(stdin);
    (run.code, String::from_utf8(run.stdout).unwrap())
}

/// As with `| head -1`.
#[test]
fn a_standard_output_that_nobody_reads_ends_the_program() {
    let url = accepting(|mut ws| {
        while ws.send("again").is_ok() && ws.close_status().is_none() {
            thread::sleep(Duration::from_millis(10));
            if ws.flush().is_err() {
                break;
            }
        }
        while let Ok(Some(_)) = ws.recv() {}
    });
    let mut child = start(&["--wait", "forever", &url]);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "again\n");
    drop(lines);
    let (code, _) = end_with_open_input(child);
    assert!(matches!(code, Some(0 | 4)), "{code:?}");
}

#[cfg(unix)]
fn interrupt(child: &Child) {
    use rustix::process::{Pid, Signal, kill_process};

    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

/// Returns the exit code.
#[cfg(unix)]
fn interrupt_until_it_ends(child: &mut Child) -> Option<i32> {
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("it ignores interrupts");
        }
        interrupt(child);
        thread::sleep(Duration::from_millis(50));
    }
    child.wait().unwrap().code()
}

#[cfg(unix)]
#[test]
fn an_interrupt_closes_the_connection() {
    let url = accepting(|mut ws| {
        ws.send("ready").unwrap();
        assert!(ws.recv().unwrap().is_none(), "a Close frame has arrived");
    });
    let mut child = start(&["--wait", "forever", &url]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    interrupt(&child);
    assert_eq!(end_with_open_input(child).0, Some(130));
}

#[cfg(unix)]
#[test]
fn interrupts_end_the_program_although_nobody_reads_its_output() {
    let url = accepting(|mut ws| while ws.send("x".repeat(64 << 10)).is_ok() {});
    let mut child = start(&["--wait", "forever", &url]);
    // The rest of the output stays in the pipe.
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    assert_eq!(interrupt_until_it_ends(&mut child), Some(130));
}

/// At the end of the connection, the program waits for the reader of its output, for the messages
/// and for the report.
#[cfg(unix)]
#[test]
fn interrupts_end_the_program_although_nobody_reads_the_last_of_its_output() {
    // As many messages as are queued, while the first one is written: the report has no place.
    for (code, queued) in [(1000, 0), (1011, 64)] {
        let (tell, closed) = mpsc::channel();
        let url = accepting(move |mut ws| {
            ws.send("x".repeat(1 << 20)).unwrap();
            for _ in 0..queued {
                ws.send("x").unwrap();
            }
            ws.close(CloseCode(code), "").unwrap();
            while let Ok(Some(_)) = ws.recv() {}
            tell.send(()).unwrap();
        });
        let mut child = start(&["--wait", "forever", &url]);
        // The rest of the output stays in the pipe.
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        closed.recv().unwrap();
        // Before that, interrupts would end the connection instead.
        thread::sleep(Duration::from_millis(300));
        assert_eq!(interrupt_until_it_ends(&mut child), Some(130), "{code}");
    }
}
