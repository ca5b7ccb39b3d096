//! `reconnect`: restarts of the server while the client sends.

use std::{fs, path::PathBuf, thread, time::Duration};

use crate::process::Process;

const RECONNECT: &str = env!("CARGO_BIN_EXE_reconnect");

fn directory(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _result = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

fn client(url: &str) -> Process {
    Process::start(RECONNECT, &["send", url, "--first-delay", "50", "--max-delay", "100"])
}

/// The server is killed again and again while the client sends, and once its last line was cut off.
#[test]
fn all_lines_arrive_once_and_in_order() {
    let directory = directory("restarts");
    let serve = ["serve", "--directory", directory.to_str().unwrap()];
    let (mut server, url) = Process::serve(RECONNECT, &serve);
    let address = url.strip_prefix("ws://").unwrap().trim_end_matches('/').to_owned();
    let file = directory.join("ada");
    let mut client = client(&format!("{url}ada"));
    let line = |number: u32| format!("line {number} {}", "x".repeat(number as usize % 300));
    for round in 0..5 {
        client.input((round * 2000..(round + 1) * 2000).map(line));
        // The client keeps a thousand lines, so the others have arrived. The server may be in the
        // middle of them.
        server.kill();
        if round == 2 {
            let lines = fs::read(&file).unwrap();
            fs::write(&file, [&lines[..], b"cut o"].concat()).unwrap();
        }
        client.input([format!("while the server is away {round}")]);
        server = Process::start(RECONNECT, &[&serve[..], &["--listen", &address]].concat());
        assert_eq!(server.line(), format!("listening on ws://{address}/"));
    }
    let (status, _, stderr) = client.end();
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stderr.contains("; next attempt in "), "{stderr}");
    let mut expected = String::new();
    for round in 0..5 {
        for number in round * 2000..(round + 1) * 2000 {
            expected += &format!("{}\n", line(number));
        }
        expected += &format!("while the server is away {round}\n");
    }
    assert!(
        fs::read_to_string(&file).unwrap() == expected,
        "the lines of {}",
        file.display()
    );
}

/// Another attempt would not help.
#[test]
fn a_client_that_the_server_refuses_gives_up() {
    let directory = directory("refused");
    let (_server, url) = Process::serve(RECONNECT, &["serve", "--directory", directory.to_str().unwrap()]);
    let (status, _, stderr) = client(&format!("{url}No-Name")).end();
    assert_eq!(status, Some(1));
    assert_eq!(
        stderr,
        "reconnect: the server refused the WebSocket with status 404 instead of 101\n"
    );
}

/// A client that invents names cannot fill the directory, nor open files without a limit.
#[test]
fn the_number_of_clients_is_limited() {
    let directory = directory("many");
    for number in 0..100 {
        fs::write(directory.join(format!("client{number}")), "").unwrap();
    }
    let (_server, url) = Process::serve(RECONNECT, &["serve", "--directory", directory.to_str().unwrap()]);
    let (status, _, stderr) = client(&format!("{url}another")).end();
    assert_eq!(status, Some(1), "{stderr}");
    assert!(stderr.contains("with status 403 instead of 101"), "{stderr}");
    assert!(!directory.join("another").exists());
    let (status, _, stderr) = client(&format!("{url}{}", "a".repeat(33))).end();
    assert_eq!(status, Some(1), "{stderr}");
    assert!(stderr.contains("with status 404 instead of 101"), "{stderr}");
    let mut known = client(&format!("{url}client7"));
    known.input(["a line".into()]);
    let (status, _, stderr) = known.end();
    assert_eq!(status, Some(0), "{stderr}");
    assert_eq!(fs::read_to_string(directory.join("client7")).unwrap(), "a line\n");
}

/// The file of a client is limited: it takes lines up to 64 MiB, and a longer one is not read.
#[test]
fn the_lines_of_a_client_are_limited() {
    const MAX_LEN: usize = 64 << 20;
    let directory = directory("full");
    let write = |name: &str, len: usize| {
        let mut lines = vec![b'x'; len];
        lines[len - 1] = b'\n';
        fs::write(directory.join(name), lines).unwrap();
    };
    write("ada", MAX_LEN - 5);
    write("bob", MAX_LEN + 1);
    let (_server, url) = Process::serve(RECONNECT, &["serve", "--directory", directory.to_str().unwrap()]);
    let mut ada = client(&format!("{url}ada"));
    // The second one does not fit, and the third one would not follow the first one.
    ada.input(["last".into(), "xx".into(), String::new()]);
    let (status, _, stderr) = ada.end();
    assert_eq!(status, Some(1), "{stderr}");
    assert!(stderr.contains("1008"), "{stderr}");
    let lines = fs::read(directory.join("ada")).unwrap();
    assert!(lines.len() == MAX_LEN && lines.ends_with(b"x\nlast\n"));
    let (status, _, stderr) = client(&format!("{url}bob")).end();
    assert_eq!(status, Some(1), "{stderr}");
    assert!(stderr.contains("with status 403 instead of 101"), "{stderr}");
}

/// A client that starts before its server.
#[test]
fn a_server_that_is_not_there_yet() {
    let directory = directory("late");
    let (server, url) = Process::serve(RECONNECT, &["serve", "--directory", directory.to_str().unwrap()]);
    server.kill();
    let mut client = client(&format!("{url}ada"));
    client.input(["early".into()]);
    thread::sleep(Duration::from_millis(200));
    let address = url.strip_prefix("ws://").unwrap().trim_end_matches('/');
    let _server = Process::start(
        RECONNECT,
        &["serve", "--directory", directory.to_str().unwrap(), "--listen", address],
    );
    let (status, _, stderr) = client.end();
    assert_eq!(status, Some(0));
    assert!(stderr.contains("Connection refused"), "{stderr}");
    assert_eq!(fs::read_to_string(directory.join("ada")).unwrap(), "early\n");
}
