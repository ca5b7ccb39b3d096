
#[doc(hidden)]
pub mod mutant {
    //! Which mutant is selected: that of the variable `MUTANT` when the test starts.

    extern crate std;
    use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
    use std::{env, fs::File, io::Write as _, sync::OnceLock};

    const TRACE: u32 = u32::MAX;

    static SELECTED: AtomicU32 = AtomicU32::new(0);
    static REACHED: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];
    static FILE: OnceLock<File> = OnceLock::new();

    /// Runs before `main`, because tests count allocations.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static SELECT: extern "C" fn() = select;

    extern "C" fn select() {
        let selected = env::var("MUTANT").ok().and_then(|id| id.parse().ok()).unwrap_or_default();
        SELECTED.store(selected, Relaxed);
        if let Some(path) = env::var_os("MUTANT_TRACE") {
            FILE.set(File::create(path).unwrap()).unwrap();
            SELECTED.store(TRACE, Relaxed);
        }
    }

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
        if selected < TRACE { selected == id } else { trace(id) }
    }

    #[cold]
    #[inline(never)]
    fn trace(id: u32) -> bool {
        if !REACHED[id as usize].swap(true, Relaxed) {
            writeln!(FILE.get().unwrap(), "{id}").unwrap();
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
