//! Files of the repository that tests write.

use std::{env, fs, path::Path};

/// Asserts that a file has the expected content, or writes it if `BLESS` is set. `command` is how
/// to call the test with it.
pub fn check_committed(path: impl AsRef<Path>, expected: impl AsRef<[u8]>, command: &str) {
    let (path, expected) = (path.as_ref(), expected.as_ref());
    if env::var_os("BLESS").is_some() {
        fs::write(path, expected).unwrap();
    }
    assert!(
        fs::read(path).unwrap_or_default() == expected,
        "{} is out of date: BLESS=1 {command}",
        path.display()
    );
}
