
#[doc(hidden)]
pub mod mutant {
    //! Which mutant is selected: that of the variable `MUTANT` when the test starts.

    extern crate std;
    use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
    use std::io::Write as _;

    const UNKNOWN: u32 = u32::MAX;
    const TRACE: u32 = u32::MAX - 1;

    static SELECTED: AtomicU32 = AtomicU32::new(UNKNOWN);
    static REACHED: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];

    /// Whether the mutant is selected: not where the compiler computes.
    #[inline(always)]
    pub const fn on(id: u32) -> bool {
        core::intrinsics::const_eval_select((id,), never, at_run_time)
    }

    const fn never(_: u32) -> bool {
        false
    }

    #[inline(always)]
    fn at_run_time(id: u32) -> bool {
        let selected = SELECTED.load(Relaxed);
        if selected < TRACE { selected == id } else { first_or_trace(id, selected) }
    }

    #[cold]
    #[inline(never)]
    fn first_or_trace(id: u32, selected: u32) -> bool {
        if selected == UNKNOWN {
            let text = std::env::var("MUTANT").unwrap_or_default();
            SELECTED.store(if text == "trace" { TRACE } else { text.parse().unwrap_or(0) }, Relaxed);
            return at_run_time(id);
        }
        if !REACHED[id as usize].swap(true, Relaxed) {
            let path = std::env::var_os("MUTANT_TRACE").unwrap();
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            writeln!(file.unwrap(), "{id}").unwrap();
        }
        false
    }

    /// What a function returns that returns `impl Iterator`, and its mutant.
    #[derive(Clone)]
    pub enum Either<A, B> {
        Mutant(A),
        Original(B),
    }

    impl<A: Iterator, B: Iterator<Item = A::Item>> Iterator for Either<A, B> {
        type Item = A::Item;

        fn next(&mut self) -> Option<A::Item> {
            match self {
                Self::Mutant(iterator) => iterator.next(),
                Self::Original(iterator) => iterator.next(),
            }
        }
    }
}
