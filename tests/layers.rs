//! The architecture: a file imports only from lower layers.

use std::{fs, path::Path};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src");

/// From the bottom up. What stands together on a line does not know each other.
const LAYERS: [&[&str]; 11] = [
    &["close_code", "escaped", "mask", "role", "state", "timers", "utf8"],
    &["error", "message"],
    &["frame", "http"],
    &["close", "extensions"],
    &["deflate"],
    &["config"],
    &["assembler", "handshake"],
    &["event"],
    &["receive", "send"],
    &["connection"],
    &["adapter"],
];

fn layer(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| layer.contains(&module))
        .unwrap_or_else(|| panic!("src has a module `{module}` that is in no layer"))
}

/// The modules of the crate that a source text imports, with `*` for its root.
fn imports(source: &str) -> Vec<String> {
    let code: String = source
        .lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut modules = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let path = &code[at + "crate::".len()..];
        if let Some(group) = path.strip_prefix('{') {
            modules.extend(group_heads(group));
        } else {
            modules.push(head(path));
        }
    }
    modules
}

/// The first names in the top level of a `{...}` group.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut start) = (0, Vec::new(), true);
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            char if start && depth == 0 && !char.is_whitespace() => {
                heads.push(head(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    heads
}

fn head(path: &str) -> String {
    let name: String = path
        .chars()
        .take_while(|char| char.is_alphanumeric() || *char == '_')
        .collect();
    if name.starts_with(char::is_lowercase) {
        name
    } else {
        "*".into()
    }
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            let name = path.strip_prefix(SOURCES).unwrap();
            let module = name.components().next().unwrap().as_os_str().to_str().unwrap();
            found.push((
                module.trim_end_matches(".rs").into(),
                fs::read_to_string(&path).unwrap(),
            ));
        }
    }
}

#[test]
fn a_file_imports_only_from_lower_layers() {
    let mut found = Vec::new();
    sources(Path::new(SOURCES), &mut found);
    let mut checked = 0;
    for (module, source) in found.iter().filter(|(module, _)| module != "lib") {
        for imported in imports(source) {
            checked += 1;
            if imported == "*" {
                assert_eq!(
                    module, "adapter",
                    "only adapters stand outside and import from the root"
                );
            } else if imported != *module {
                assert!(layer(&imported) < layer(module), "`{module}` imports `{imported}`");
            }
        }
    }
    assert!(
        checked > 50,
        "found only {checked} imports: the test reads them wrongly"
    );
}
