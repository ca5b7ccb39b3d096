//! `upload` and `upload_tokio`: with each other, and in little memory.

use std::{fs, net::TcpListener, path::Path, thread};

use sockless::{Accept, Config, adapter::std_net};

use crate::process::Process;

const PROGRAMS: [&str; 2] = [env!("CARGO_BIN_EXE_upload"), env!("CARGO_BIN_EXE_upload_tokio")];
/// Much more than the memory of a program may be.
const LEN: u64 = 64 << 20;
const MAX_MEMORY: f64 = 8.0; // MiB

/// Returns the peak memory that a program has printed, in MiB.
fn peak_memory(line: &str) -> f64 {
    let (_, memory) = line.split_once("peak memory ").expect(line);
    memory.strip_suffix(" MiB").expect(line).parse().expect(line)
}

#[test]
fn a_large_message_takes_little_memory_at_both_ends() {
    for server in PROGRAMS {
        for client in PROGRAMS {
            let (server, url) = Process::serve(server, &["serve"]);
            let client = Process::start(client, &["send", &url, "--random", &LEN.to_string()]);
            let (status, sent, progress) = client.end();
            assert_eq!(status, Some(0), "{progress}");
            assert!(progress.contains("64.0 MiB of 64.0 MiB, "), "{progress}");
            let received = server.line();
            let what = sent.strip_prefix("sent ").expect(&sent).split(", peak").next().unwrap();
            assert!(what.starts_with("67108864 bytes, checksum "), "{sent}");
            assert!(received.starts_with(&format!("received {what}")), "{sent}: {received}");
            if cfg!(target_os = "linux") {
                assert!(peak_memory(&sent) < MAX_MEMORY, "{sent}");
                assert!(peak_memory(&received) < MAX_MEMORY, "{received}");
            }
        }
    }
}

#[test]
fn files_of_any_size() {
    for program in PROGRAMS {
        let (server, url) = Process::serve(program, &["serve"]);
        for len in [0, 1, 16 << 10, 100_000] {
            let name = Path::new(program).file_name().unwrap().to_str().unwrap();
            let path = format!("{}/{name}-{len}", env!("CARGO_TARGET_TMPDIR"));
            fs::write(&path, vec![7; len]).unwrap();
            let (status, sent, progress) = Process::start(program, &["send", &url, &path]).end();
            assert_eq!(status, Some(0), "{progress}");
            assert!(sent.starts_with(&format!("sent {len} bytes, ")), "{sent}");
            assert!(server.line().starts_with(&format!("received {len} bytes, ")));
        }
    }
}

#[test]
fn errors_say_what_was_wrong() {
    let (_server, url) = Process::serve(PROGRAMS[0], &["serve"]);
    for program in PROGRAMS {
        let (status, _, stderr) = Process::start(program, &["send", &url, "no-such-file"]).end();
        assert_eq!(status, Some(1));
        assert!(stderr.contains(": no-such-file: No such file"), "{stderr}");

        let (status, _, stderr) = Process::start(program, &["send", "http//x", "--random", "1"]).end();
        assert_eq!(status, Some(1));
        assert!(stderr.contains("http//x"), "{stderr}");
    }
}

/// A server that does not want the message says so before the end of it, and the client stops.
#[test]
fn a_message_that_the_server_refuses() {
    for program in PROGRAMS {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (tcp, _) = listener.accept().unwrap();
            let incoming = std_net::incoming(tcp, Config::new().max_message_size(1 << 20)).unwrap();
            incoming.accept(&Accept::new()).unwrap().recv().unwrap_err()
        });
        let client = Process::start(program, &["send", &url, "--random", &(1_u64 << 40).to_string()]);
        let (status, _, stderr) = client.end();
        assert_eq!(status, Some(1));
        assert!(stderr.contains("1009"), "{stderr}");
        server.join().unwrap();
    }
}
