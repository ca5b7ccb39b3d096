#![doc = include_str!("docs/links.md")]
#![doc = include_str!("../docs/README.md")]
// Pages refer to each other by link references, such as `[DEFLATE.md]`. Of several definitions of a
// reference the first counts: in the documentation of the crate those of `links.md` and
// `pictures.md`, elsewhere those at the end of each page, which are relative paths.
// `.ci/links` checks both.

/// A module whose documentation is a page.
macro_rules! page {
    ($name:ident, $file:literal, $summary:literal) => {
        #[doc = $summary]
        #[doc = ""]
        #[doc = include_str!("docs/links.md")]
        #[doc = include_str!("docs/pictures.md")]
        #[doc = ""]
        #[doc = include_str!($file)]
        pub mod $name {}
    };
}

page!(
    embedding,
    "../docs/EMBEDDING.md",
    "Putting a connection into an event loop, an executor, hyper, axum, TLS or a device."
);
page!(
    migrating,
    "../docs/MIGRATING.md",
    "From tungstenite, tokio-tungstenite, fastwebsockets and axum."
);
page!(
    compare,
    "../docs/COMPARE.md",
    "Facts about this and other implementations."
);
page!(
    security,
    "../docs/SECURITY.md",
    "What a hostile peer can do, the limits, and the duties of the application."
);
page!(
    deflate,
    "../docs/DEFLATE.md",
    "What compression costs, which settings to choose, and its risks."
);
page!(
    performance,
    "../docs/PERFORMANCE.md",
    "Time and memory, compared with other crates."
);
page!(
    conformance,
    "../docs/CONFORMANCE.md",
    "Each rule of the RFCs, with its tests."
);
page!(
    failure_modes,
    "../docs/FAILURE-MODES.md",
    "Known failures of implementations, with their tests."
);
page!(
    testing,
    "../docs/TESTING.md",
    "How the crate is tested, and with which commands."
);
page!(
    recording,
    "../docs/RECORDING.md",
    "The format of recorded connections, and what a replay proves."
);
page!(
    state,
    "../docs/STATE.md",
    "Every state and transition, and what may be sent in which state."
);
page!(
    design,
    "../docs/DESIGN.md",
    "Why the crate is built as it is, and where each rule is."
);
