//! The architecture: a file imports only from lower layers, no two files import each other, and
//! only one file has the bits of a frame header.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src");

/// The layers, from the lowest. Modules of one layer do not import each other.
const LAYERS: [&[&str]; 13] = [
    &[
        "close_code",
        "copy",
        "docs",
        "escaped",
        "input",
        "mask",
        "reserved_bits",
        "role",
        "state",
        "timers",
        "utf8",
    ],
    &["error", "message"],
    &["frame", "http"],
    &["close", "extensions"],
    &["deflate"],
    &["config"],
    &["message_limits"],
    &["handshake", "message_assembler"],
    &["event", "proxy"],
    &["receive", "recorder", "relay", "send"],
    &["connection"],
    &["input_buffer", "recording"],
    &["adapter"],
];

/// A module: its path, such as `["frame", "wire"]`.
type Module = Vec<String>;

/// A file of the crate.
struct Source {
    /// The text without comments and tests.
    code: String,
    imports: Vec<Import>,
}

/// A path in a `use` declaration or in the code.
struct Import {
    path: Vec<String>,
    /// The name under which it is re-exported, if it is a `pub use`.
    reexported_as: Option<String>,
}

/// All files except `lib.rs`, which only re-exports, and the stub, which replaces another file.
fn sources() -> BTreeMap<Module, Source> {
    fn collect(folder: &Path, module: &[String], found: &mut BTreeMap<Module, Source>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let inner = [module, std::slice::from_ref(&stem)].concat();
            if path.is_dir() {
                collect(&path, &inner, found);
            } else if stem != "stub" {
                let name = match stem.as_str() {
                    "mod" | "lib" => module.to_vec(),
                    _ => inner,
                };
                let code = code(&fs::read_to_string(&path).unwrap());
                let imports = imports(&code);
                found.insert(name, Source { code, imports });
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(Path::new(SOURCES), &[], &mut found);
    found
}

/// The text without comments and the contents of literals, and without the tests at its end.
fn code(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]") && !line.starts_with("#[cfg(all(test"))
        .collect();
    let (text, mut code) = (lines.join("\n"), String::new());
    let mut rest = &text[..];
    while let Some(char) = rest.chars().next() {
        let skipped = match char {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            'r' if rest.starts_with("r\"") || rest.starts_with("r#\"") => {
                let end = if rest.starts_with("r#") { "\"#" } else { "\"" };
                let start = 1 + end.len();
                start + rest[start..].find(end).unwrap() + end.len()
            }
            '"' => literal_len(rest, '"'),
            '\'' if is_char(rest) => literal_len(rest, '\''),
            _ => 0,
        };
        if skipped == 0 {
            code.push(char);
        }
        rest = &rest[skipped.max(char.len_utf8())..];
    }
    code
}

/// Whether a quotation mark begins a literal and not a lifetime.
fn is_char(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    let first = chars.next();
    first == Some('\\') || chars.next() == Some('\'')
}

/// The length of a literal that begins and ends with `quote`.
fn literal_len(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        if char == quote && !is_escaped {
            return at + 1;
        }
        is_escaped = char == '\\' && !is_escaped;
    }
    panic!("a literal does not end: {text}");
}

fn imports(code: &str) -> Vec<Import> {
    let mut imports = Vec::new();
    let mut rest = String::new();
    for statement in code.split_inclusive(';') {
        let Some(at) = statement.rfind("use ").filter(|at| is_use(&statement[..*at])) else {
            rest += statement;
            continue;
        };
        let is_public = statement[..at].trim_end().ends_with("pub") || statement[..at].trim_end().ends_with(')');
        rest += &statement[..at];
        for (path, alias) in flatten(statement[at + 4..].trim_end_matches(';')) {
            let name = alias.unwrap_or_else(|| path.last().unwrap().clone());
            imports.push(Import {
                path,
                reexported_as: is_public.then_some(name),
            });
        }
    }
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in rest.match_indices(start) {
            let path = rest[at..]
                .split(|char: char| !char.is_alphanumeric() && char != '_' && char != ':')
                .next()
                .unwrap();
            imports.push(Import {
                path: path
                    .split("::")
                    .filter(|part| !part.is_empty())
                    .map(String::from)
                    .collect(),
                reexported_as: None,
            });
        }
    }
    imports
}

/// Whether `use` after `before` is the keyword.
fn is_use(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap().trim();
    line.is_empty() || line == "pub" || (line.starts_with("pub(") && line.ends_with(')'))
}

/// The paths of a use tree, each with its alias.
fn flatten(tree: &str) -> Vec<(Vec<String>, Option<String>)> {
    let tree = tree.trim();
    if let Some((prefix, group)) = tree.split_once('{') {
        let prefix: Vec<String> = prefix
            .split("::")
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(String::from)
            .collect();
        let group = group.trim_end().strip_suffix('}').unwrap();
        return split_at_top_level(group)
            .into_iter()
            .flat_map(flatten)
            .map(|(path, alias)| {
                let path = [&prefix[..], &path].concat();
                let is_self = path.len() > prefix.len() && path.last().unwrap() == "self";
                (if is_self { prefix.clone() } else { path }, alias)
            })
            .collect();
    }
    let (path, alias) = match tree.split_once(" as ") {
        Some((path, alias)) => (path, Some(alias.trim().to_owned())),
        None => (tree, None),
    };
    vec![(path.split("::").map(|part| part.trim().to_owned()).collect(), alias)]
}

/// The parts between commas that are outside of braces.
fn split_at_top_level(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[start..]);
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

/// The module that defines what `path` names in `module`. `None` if another crate defines it.
fn resolve(sources: &BTreeMap<Module, Source>, module: &Module, path: &[String], depth: usize) -> Option<Module> {
    assert!(depth < 10, "{module:?} imports {path:?} in a cycle");
    let (mut at, mut rest) = match path.first()?.as_str() {
        "crate" => (Module::new(), &path[1..]),
        "self" => (module.clone(), &path[1..]),
        "super" => (module[..module.len().checked_sub(1)?].to_vec(), &path[1..]),
        _ => return None,
    };
    while rest.first().is_some_and(|part| part == "super") {
        at.pop();
        rest = &rest[1..];
    }
    while let Some((next, after)) = rest.split_first() {
        let inner = [&at[..], std::slice::from_ref(next)].concat();
        if !sources.contains_key(&inner) {
            break;
        }
        (at, rest) = (inner, after);
    }
    // A re-exported item is defined elsewhere.
    if let Some(item) = rest.first() {
        let reexport = sources[&at]
            .imports
            .iter()
            .find(|import| import.reexported_as.as_ref() == Some(item));
        if let Some(import) = reexport {
            return resolve(sources, &at, &import.path, depth + 1);
        }
    }
    Some(at)
}

/// The files that each file imports from.
fn import_graph(sources: &BTreeMap<Module, Source>) -> BTreeMap<Module, BTreeSet<Module>> {
    let edges = |(module, source): (&Module, &Source)| {
        let imported = source
            .imports
            .iter()
            // A re-export is not an import.
            .filter(|import| import.reexported_as.is_none())
            .filter_map(|import| resolve(sources, module, &import.path, 0))
            .filter(|imported| imported != module)
            .collect();
        (module.clone(), imported)
    };
    sources
        .iter()
        .filter(|(module, _)| !module.is_empty())
        .map(edges)
        .collect()
}

fn layer(module: &Module) -> usize {
    let name = module.first().map_or("lib", String::as_str);
    LAYERS
        .iter()
        .position(|layer| layer.contains(&name))
        .unwrap_or_else(|| panic!("src has a module `{name}` that is in no layer"))
}

#[test]
fn a_file_imports_only_from_lower_layers() {
    let graph = import_graph(&sources());
    let mut checked = 0;
    for (module, imported) in &graph {
        for imported in imported {
            checked += 1;
            assert!(
                module[0] == imported[0] || layer(imported) < layer(module),
                "{} imports {}",
                module.join("::"),
                imported.join("::")
            );
        }
    }
    assert!(
        checked > 150,
        "found only {checked} imports: the parser of this test is wrong"
    );
}

#[test]
fn no_two_files_import_each_other() {
    let graph = import_graph(&sources());
    for start in graph.keys() {
        let mut seen = BTreeSet::new();
        let mut paths: Vec<Vec<Module>> = vec![vec![start.clone()]];
        while let Some(path) = paths.pop() {
            for next in &graph[path.last().unwrap()] {
                if next == start {
                    let path: Vec<String> = path.iter().map(|module| module.join("::")).collect();
                    panic!("{} -> {}", path.join(" -> "), start.join("::"));
                }
                if seen.insert(next.clone()) {
                    paths.push([&path[..], std::slice::from_ref(next)].concat());
                }
            }
        }
    }
}

/// Constants in hexadecimal or binary: FIN or MASK, RSV1 to RSV3 alone and together, the masks of
/// the opcode and of the length, the markers and the limits of lengths.
const HEADER_BITS: [u64; 10] = [0x80, 0x40, 0x20, 0x10, 0x70, 0x0F, 0x7F, 0x7E, 0x7D, 0xFFFF];

/// Constants in decimal, as far as they are not common numbers, and the shift that finds the most
/// significant bit of a length.
const HEADER_NUMBERS: [u64; 6] = [125, 126, 127, 128, 65_535, 63];

/// Modules in which a number has another meaning.
const OTHER_MEANINGS: [(&str, u64); 11] = [
    // ASCII
    ("message_assembler", 0x7F),
    ("http::syntax", 128),
    ("http::syntax", 0x7F),
    // UTF-8
    ("utf8", 0x80),
    ("utf8::automaton", 0x80),
    ("utf8::automaton", 0x7F),
    // lengths of blocks and buffers
    ("adapter::poll::buffer_pool", 128),
    ("mask::long", 128),
    // how hard a search is
    ("deflate::low_memory::matcher", 128),
    // numbers of header fields
    ("config", 128),
    ("http::parse", 128),
];

/// The value of a number that is a constant of the frame header.
fn header_constant(word: &str) -> Option<u64> {
    let word = word.replace('_', "").to_ascii_lowercase();
    let (digits, radix) = match word.get(..2) {
        Some("0x") => (&word[2..], 16),
        Some("0b") => (&word[2..], 2),
        _ => (&word[..], 10),
    };
    // A suffix such as `u8`: no digit of a hexadecimal number is a `u` or an `i`.
    let digits = digits.split(['u', 'i']).next()?;
    let value = u64::from_str_radix(digits, radix).ok()?;
    let constants = if radix == 10 { &HEADER_NUMBERS[..] } else { &HEADER_BITS };
    constants.contains(&value).then_some(value)
}

fn header_constants(code: &str) -> BTreeSet<u64> {
    code.split(|char: char| !char.is_alphanumeric() && char != '_')
        .filter_map(header_constant)
        .collect()
}

#[test]
fn only_one_file_has_the_bits_of_a_frame_header() {
    let sources = sources();
    let wire = &sources[&vec!["frame".to_owned(), "wire".to_owned()]];
    assert!(header_constants(&wire.code).is_superset(&BTreeSet::from([0x80, 0x40, 0x20, 0x10, 0x0F, 0x7F, 63])));
    for (module, source) in &sources {
        let name = module.join("::");
        if name == "frame::wire" {
            continue;
        }
        for value in header_constants(&source.code) {
            assert!(
                OTHER_MEANINGS.contains(&(&name, value)),
                "{name} has {value:#x}, which only frame::wire may have"
            );
        }
    }
}

/// However a constant is written, it is found; in a text or a comment, it is not.
#[test]
fn the_bits_of_a_frame_header_are_found() {
    for written in [
        "0x80",
        "0x80_u8",
        "0x0f",
        "0xFu8",
        "0x10",
        "0b1000_0000",
        "125",
        "127_usize",
        "128",
        "65_535",
        "0xFFFF",
        "len >> 63",
    ] {
        assert_eq!(header_constants(&code(written)).len(), 1, "{written}");
    }
    for written in [
        "// 0x80",
        "\"at most 125 \\\" 0x80\"",
        "r#\"\"0x80\"#",
        "'\\x7F'",
        "x0x80",
        "12",
        "16 << 10",
        "0x8",
    ] {
        assert!(header_constants(&code(written)).is_empty(), "{written}");
    }
    assert_eq!(
        code("fn a<'b>(c: &'b str) { \"http://\" } // d"),
        "fn a<'b>(c: &'b str) {  } "
    );
}
