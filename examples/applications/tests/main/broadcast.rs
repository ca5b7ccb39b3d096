//! `broadcast`: a thousand clients, of which some do not read.

use crate::process::Process;

const BROADCAST: &str = env!("CARGO_BIN_EXE_broadcast");

#[test]
fn clients_that_do_not_read_hold_up_no_other() {
    let (server, url) = Process::serve(BROADCAST, &["serve", "--interval", "50"]);
    let watch = ["watch", &url, "--clients", "1000", "--slow", "3", "--seconds", "8"];
    let (status, stdout, stderr) = Process::start(BROADCAST, &watch).end();
    assert_eq!(status, Some(0), "{stderr}");
    let (first, last) = stdout.split_once('\n').expect(&stdout);
    assert_eq!(first, "1000 clients are connected, 3 of them do not read");
    let ticks = last.strip_prefix("each client that reads: ").expect(last);
    let ticks: u64 = ticks.split(' ').next().unwrap().parse().unwrap();
    assert!(ticks > 0, "{last}");
    // The clients that did not read got the first ticks only, and kept nothing in memory.
    server.wait_for_error("; it was too slow for ", 3);
}

#[test]
fn a_server_that_is_not_there() {
    let (status, _, stderr) = Process::start(BROADCAST, &["watch", "ws://127.0.0.1:1/"]).end();
    assert_eq!(status, Some(1));
    assert!(stderr.starts_with("broadcast: Connection refused"), "{stderr}");
}
