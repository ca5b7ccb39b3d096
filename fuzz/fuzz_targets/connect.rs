#![no_main]

use support::laws;

libfuzzer_sys::fuzz_target!(|data: &[u8]| laws::connect::connect(data));
