//! Runs the applications as processes, and connects them over the loopback interface.

mod broadcast;
mod game;
mod process;
mod proxy;
mod reconnect;
mod socks;
mod tunnel;
mod upload;

use process::Process;
use socks::SOCKS;

const PROGRAMS: [&str; 8] = [
    env!("CARGO_BIN_EXE_upload"),
    env!("CARGO_BIN_EXE_upload_tokio"),
    env!("CARGO_BIN_EXE_broadcast"),
    env!("CARGO_BIN_EXE_tunnel"),
    env!("CARGO_BIN_EXE_proxy"),
    env!("CARGO_BIN_EXE_game"),
    env!("CARGO_BIN_EXE_reconnect"),
    SOCKS,
];

#[test]
fn each_program_has_a_help() {
    for program in PROGRAMS {
        let (status, stdout, _) = Process::start(program, &["--help"]).end();
        assert_eq!(status, Some(0), "{program}");
        assert!(stdout.contains("usage: "), "{program}: {stdout}");
    }
}

#[test]
fn mistakes_in_the_command_line_are_named() {
    for program in PROGRAMS {
        for (args, mistake) in [
            (&[][..], " is missing"),
            (&["--no-such-option"], "there is no option \"--no-such-option\" here"),
            (&["--listen"], "--listen needs a value"),
        ] {
            // It is a client only.
            if program == SOCKS && args == ["--listen"] {
                continue;
            }
            let (status, _, stderr) = Process::start(program, args).end();
            assert_eq!(status, Some(2), "{program} {args:?}");
            assert!(stderr.contains(mistake), "{program} {args:?}: {stderr}");
        }
    }
}

#[test]
fn an_address_in_use_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for (program, args) in PROGRAMS.into_iter().zip([
        &["serve"][..],
        &["serve"],
        &["serve"],
        &["server", "--to", "127.0.0.1:1"],
        &["ws://127.0.0.1:1"],
        &["serve"],
        &["serve", "--directory", env!("CARGO_TARGET_TMPDIR")],
    ]) {
        let args = [&["--listen", &address], args].concat();
        let (status, _, stderr) = Process::start(program, &args).end();
        assert_eq!(status, Some(1), "{program}");
        assert!(stderr.contains(&format!(": {address}: ")), "{program}: {stderr}");
    }
}
