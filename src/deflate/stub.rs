//! Stands in for this module in builds without the feature `deflate`.
//!
//! The types have no values, so nothing is negotiated, and the compiler leaves out what would work
//! with them. In the rest of the crate, only public items and what only they use need a `cfg`.

#![allow(
    clippy::needless_pass_by_ref_mut,
    reason = "the methods are declared as those that they stand in for"
)]

use alloc::{string::String, vec::Vec};

use crate::{extensions::Extension, role::Role};

/// No settings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DeflateConfig {}

/// No parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DeflateParams {}

impl DeflateParams {
    pub(crate) fn directions(
        self,
        _role: Role,
        _config: Option<&DeflateConfig>,
    ) -> (DirectionParams, DirectionParams, usize) {
        match self {}
    }
}

/// No parameters of one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DirectionParams {}

impl DirectionParams {
    pub(crate) fn compresses(self) -> bool {
        match self {}
    }

    pub(crate) fn window_index(self) -> usize {
        match self {}
    }
}

/// How many bytes of payload are finished at once.
pub(crate) const MAX_FINISH: usize = 0;

/// No step of an inflater.
pub(crate) struct Inflated<'a> {
    pub(crate) consumed: usize,
    pub(crate) output: &'a [u8],
    pub(crate) done: bool,
    pub(crate) result: Result<(), InflateError>,
}

/// What an inflater finds wrong.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "nothing inflates")]
pub(crate) enum InflateError {
    Corrupt,
    TooManyBlocks,
}

/// No inflater.
#[derive(Debug)]
pub(crate) enum Inflater {}

impl Inflater {
    pub(crate) fn new(params: DirectionParams) -> Self {
        match params {}
    }

    pub(crate) fn max_input(&self) -> usize {
        match *self {}
    }

    pub(crate) fn inflate(&mut self, _input: &[u8]) -> Inflated<'_> {
        match *self {}
    }

    pub(crate) fn finish(&mut self, _rest: &[u8], _max_output: usize) -> Inflated<'_> {
        match *self {}
    }

    pub(crate) fn end_message(&mut self) {
        match *self {}
    }

    pub(crate) fn begin_message(&mut self) {
        match *self {}
    }

    pub(crate) fn add_wire_bytes(&mut self, _len: u64) -> u64 {
        match *self {}
    }

    pub(crate) fn has_history(&self) -> bool {
        match *self {}
    }
}

/// No deflater.
#[derive(Debug)]
pub(crate) enum Deflater {}

impl Deflater {
    pub(crate) fn new(params: DirectionParams) -> Self {
        match params {}
    }

    pub(crate) fn deflate_alone(params: DirectionParams, _data: &[u8]) -> Vec<u8> {
        match params {}
    }

    pub(crate) fn deflate(&mut self, _data: &[u8], _last: bool) -> &[u8] {
        match *self {}
    }

    pub(crate) fn end_message(&mut self, _sent: bool) {
        match *self {}
    }

    pub(crate) fn has_history(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_in_message(&self) -> bool {
        match *self {}
    }
}

pub(crate) mod negotiation {
    use super::{DeflateConfig, DeflateParams, Extension, String};

    pub(crate) const NAME: &str = "permessage-deflate";

    pub(crate) fn offer(config: &DeflateConfig) -> String {
        match *config {}
    }

    pub(crate) fn accept<'a>(
        config: &DeflateConfig,
        _offers: impl Iterator<Item = Extension<'a>>,
    ) -> Option<(String, DeflateParams)> {
        match *config {}
    }

    pub(crate) fn check_answer(config: &DeflateConfig, _answer: &Extension<'_>) -> Option<DeflateParams> {
        match *config {}
    }
}
