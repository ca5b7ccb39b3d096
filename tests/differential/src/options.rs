//! The arguments of the program.

pub(crate) const USAGE: &str = "\
sockless-differential [OPTION VALUE]...
  --python PATH      the interpreter of an environment with wsproto; default python3
  --tungstenite N    cases with tungstenite; default 200000
  --wsproto N        cases with wsproto; default 20000
  --seed N           default 1; with all defaults, docs/CONFORMANCE.md is checked, or written if BLESS is set";

const TUNGSTENITE: u64 = 200_000;
const WSPROTO: u64 = 20_000;
const SEED: u64 = 1;

pub(crate) struct Options {
    pub(crate) python: String,
    pub(crate) tungstenite: u64,
    pub(crate) wsproto: u64,
    pub(crate) seed: u64,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            python: "python3".into(),
            tungstenite: TUNGSTENITE,
            wsproto: WSPROTO,
            seed: SEED,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next()?;
            match &name[..] {
                "--python" => options.python = value,
                "--tungstenite" => options.tungstenite = value.parse().ok()?,
                "--wsproto" => options.wsproto = value.parse().ok()?,
                "--seed" => options.seed = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(options)
    }

    /// Whether the cases are those of the table in the documentation.
    pub(crate) const fn has_default_cases(&self) -> bool {
        self.tungstenite == TUNGSTENITE && self.wsproto == WSPROTO && self.seed == SEED
    }
}
