//! The law of recordings: any text can be parsed, and what is a recording can be read, exported and
//! replayed.

use allocation_counter::measure;
use sockless::recording::{Recording, ReplayError};

/// Parsing any text takes no memory, and an error names a line of it. A recording can be read and
/// exported and replayed within multiples of its length, and a replay does not panic.
pub fn recording(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parsed = None;
    let heap = measure(|| parsed = Some(Recording::parse(text)));
    assert_eq!(heap.count_total, 0, "{heap:?}");
    let recording = match parsed.unwrap() {
        Ok(recording) => recording,
        Err(error) => {
            assert!((1..=text.lines().count() + 1).contains(&error.line()), "{error}");
            return;
        }
    };
    let heap = measure(|| {
        let _shown = recording.conversation().to_string();
        let _har = recording.to_har();
        let _pcap = recording.to_pcap();
    });
    // A packet of a byte has 56 more, and a message in HAR about 90.
    let bound = 64 * text.len() as u64 + (64 << 10);
    assert!(heap.bytes_max <= bound, "{} > {bound}", heap.bytes_max);
    let mut replayed = None;
    let heap = measure(|| replayed = Some(recording.replay()));
    // A byte of text stands for at most 1032 of a compressed message, which are assembled in a
    // buffer that doubles, and written as at most 2.5 bytes of text each.
    let bound = 1032 * 16 * text.len() as u64 + (1 << 20);
    assert!(heap.bytes_max <= bound, "{} > {bound}", heap.bytes_max);
    match replayed.unwrap() {
        Ok(_) => assert!(recording.replay().is_ok(), "a replay has the same result each time"),
        Err(error) => {
            let (ReplayError::Redacted { line }
            | ReplayError::Impossible { line, .. }
            | ReplayError::Difference { line, .. }) = error
            else {
                return;
            };
            assert!((1..=text.lines().count() + 1).contains(&line));
        }
    }
}
