#![doc = include_str!("docs/links.md")]
#![doc = include_str!("../docs/README.md")]
// Pages refer to each other by link references, such as `[DEFLATE.md]`. Of several definitions of a
// reference the first counts: in the documentation of the crate those of `links.md` and
// `pictures.md`, elsewhere those at the end of each page, which are relative paths.
// `.ci/links` checks both.

/// A module whose documentation is a page.
macro_rules! page {
    ($name:ident, $file:literal) => {
        #[doc = include_str!("docs/links.md")]
        #[doc = include_str!("docs/pictures.md")]
        #[doc = ""]
        #[doc = include_str!($file)]
        pub mod $name {}
    };
}

page!(embedding, "../docs/EMBEDDING.md");
page!(migrating, "../docs/MIGRATING.md");
page!(compare, "../docs/COMPARE.md");
page!(security, "../docs/SECURITY.md");
page!(deflate, "../docs/DEFLATE.md");
page!(performance, "../docs/PERFORMANCE.md");
page!(conformance, "../docs/CONFORMANCE.md");
page!(failure_modes, "../docs/FAILURE-MODES.md");
page!(testing, "../docs/TESTING.md");
page!(recording, "../docs/RECORDING.md");
page!(state, "../docs/STATE.md");
page!(design, "../docs/DESIGN.md");
