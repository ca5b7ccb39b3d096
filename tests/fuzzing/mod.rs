//! The laws whose inputs have a structure of their own: their properties, and the seeds of their
//! fuzz targets.

#[cfg(feature = "deflate")]
mod inflate;

/// A fuzz target, its law, and structured inputs, which a fuzzer does not find quickly.
pub(crate) type Seeds = (&'static str, fn(&[u8]), Vec<Vec<u8>>);

/// The seeds of the fuzz targets whose laws are tested here.
pub(crate) fn seeds() -> Vec<Seeds> {
    vec![
        #[cfg(feature = "deflate")]
        ("inflate", support::laws::inflate::inflate, inflate::seeds()),
    ]
}
