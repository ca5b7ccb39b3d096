//! The payloads of the benches and the comparisons.

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content {
    Binary,
    Ascii,
    Chinese,
    Mixed,
}

impl Content {
    pub const ALL: [Self; 4] = [Self::Binary, Self::Ascii, Self::Chinese, Self::Mixed];
    pub const TEXT: [Self; 3] = [Self::Ascii, Self::Chinese, Self::Mixed];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Ascii => "ascii",
            Self::Chinese => "chinese",
            Self::Mixed => "mixed",
        }
    }

    const fn sample(self) -> &'static str {
        match self {
            Self::Binary => "",
            Self::Ascii => "It is a truth universally acknowledged, that a single man must be in want of a wife. ",
            Self::Chinese => "道可道非常道名可名非常名無名天地之始有名萬物之母故常無欲以觀其妙常有欲以觀其徼。",
            Self::Mixed => "Größe: 3 µm, naïve café, Ελληνικά, Война и мир, 雨ニモマケズ, emoji 🙂🚀, and plain text. ",
        }
    }

    /// The payload of message `index` of a stream, which differs from the next.
    pub fn message(self, index: usize, len: usize) -> Vec<u8> {
        if self == Self::Binary {
            return (0..len).map(|at| (at * 7 + at / 251 + index * 31) as u8).collect();
        }
        let sample = self.sample();
        let mut text = String::with_capacity(len);
        for char in sample.chars().cycle().skip(index % sample.chars().count()) {
            if text.len() + char.len_utf8() > len {
                break;
            }
            text.push(char);
        }
        text.extend(std::iter::repeat_n('.', len - text.len()));
        text.into_bytes()
    }
}
