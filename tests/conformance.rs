//! The pages that list tests agree with the tests. In `docs/CONFORMANCE.md`, every rule has a test
//! or a note that says where the duty of the caller is documented. In `docs/FAILURE-MODES.md`,
//! every failure mode has a test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const PAGE: &str = "docs/CONFORMANCE.md";

/// The rules that this version implements.
fn rules() -> BTreeSet<String> {
    (1..=214).map(|number| format!("R{number:03}")).collect()
}

/// `word`, if it is `R` and three digits.
fn as_rule(word: &str) -> Option<&str> {
    let word = word.trim_end_matches([':', ',']);
    let digits = word.strip_prefix('R')?;
    (digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(word)
}

/// `word`, if it is `F` and two digits.
fn as_failure_mode(word: &str) -> Option<&str> {
    let word = word.trim_matches(['(', ')', ':', ',', '.', ';']);
    let digits = word.strip_prefix('F')?;
    (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(word)
}

/// The failure mode in the name of a test, such as `f01_huge_lengths`.
fn failure_mode_of(name: &str) -> Option<String> {
    let word = name.split('_').next()?.to_ascii_uppercase();
    as_failure_mode(&word).map(String::from)
}

/// The rules and failure modes that the tests in `source` name, each with the name of the test.
/// Rules are at the start of the doc comment, failure modes anywhere in it or in the name of the
/// test.
fn tags_of_tests(source: &str) -> Vec<(String, String)> {
    let mut tags = Vec::new();
    let (mut named, mut has_test_attribute, mut in_doc) = (Vec::new(), false, false);
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            if !in_doc {
                named = text.split_whitespace().map_while(as_rule).map(String::from).collect();
                has_test_attribute = false;
            }
            named.extend(text.split_whitespace().filter_map(as_failure_mode).map(String::from));
            in_doc = true;
            continue;
        }
        in_doc = false;
        if line == "#[test]" {
            has_test_attribute = true;
        } else if let Some(rest) = line.strip_prefix("fn ") {
            let name = rest.split('(').next().unwrap();
            if has_test_attribute {
                named.extend(failure_mode_of(name));
                tags.extend(named.drain(..).map(|rule| (rule, name.to_owned())));
            }
            named.clear();
            has_test_attribute = false;
        } else if !line.starts_with("#[") {
            named.clear();
            has_test_attribute = false;
        }
    }
    tags
}

/// Collects the tags of the tests in a folder. The name of a test starts with the module of its
/// file, below `module`.
fn collect(folder: &Path, module: &str, tags: &mut BTreeMap<String, BTreeSet<String>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let name = if stem == "mod" {
            module.trim_end_matches("::").to_owned()
        } else {
            format!("{module}{stem}")
        };
        if path.is_dir() {
            if !path.join("Cargo.toml").exists() {
                collect(&path, &format!("{name}::"), tags);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for (rule, test) in tags_of_tests(&fs::read_to_string(&path).unwrap()) {
                tags.entry(rule).or_default().insert(format!("`{name}::{test}`"));
            }
        }
    }
}

/// The text without comment markers, with single spaces.
fn normalize(text: &str) -> String {
    text.lines()
        .map(|line| line.trim().trim_start_matches(['/', '!', '*', '#']))
        .flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether `note` has the form: caller, see `FILE`: "WORDS". Asserts that the file has the words.
fn documents_a_duty_of_the_caller(note: &str) -> bool {
    let Some(rest) = note.strip_prefix("caller, see `") else {
        return false;
    };
    let (file, rest) = rest.split_once('`').expect("a file name between back quotes");
    let words = rest.split('"').nth(1).expect("the words between quotes");
    let text = fs::read_to_string(Path::new(ROOT).join(file)).expect(file);
    assert!(
        normalize(&text).contains(&normalize(words)),
        "{file} does not say {words:?}"
    );
    true
}

/// All tags of all tests, each with the names of its tests.
fn tags() -> BTreeMap<String, BTreeSet<String>> {
    let mut tags = BTreeMap::new();
    collect(&Path::new(ROOT).join("tests"), "", &mut tags);
    collect(&Path::new(ROOT).join("src"), "src::", &mut tags);
    collect(&Path::new(ROOT).join("examples"), "examples::", &mut tags);
    // Packages of their own, with the carriers that the engine does not have.
    for name in ["http2", "http3"] {
        let tests = Path::new(ROOT).join("examples").join(name).join("tests");
        collect(&tests, &format!("examples::{name}::tests::"), &mut tags);
    }
    tags
}

/// Asserts that a page has the expected content, or writes it.
fn check_page(page: &str, expected: &str) {
    support::check_committed(Path::new(ROOT).join(page), expected, "cargo test conformance");
}

#[test]
fn every_rule_has_a_test_or_is_a_documented_duty() {
    let tags = tags();
    let page = fs::read_to_string(Path::new(ROOT).join(PAGE)).unwrap();
    let (mut expected, mut listed, mut missing) = (String::new(), BTreeSet::new(), Vec::new());
    for line in page.lines() {
        let mut cells: Vec<&str> = line.split(" | ").collect();
        let rule = cells[0].trim_start_matches("| ");
        if as_rule(rule).is_none() {
            expected += &format!("{line}\n");
            continue;
        }
        listed.insert(rule.to_owned());
        assert_eq!(cells.len(), 6, "{line}");
        let tests = tags.get(rule).map(join).unwrap_or_default();
        let note = cells[5].trim_end_matches('|').trim();
        // The note is checked even if there is a test.
        let is_duty = documents_a_duty_of_the_caller(note);
        if tests.is_empty() && !is_duty {
            missing.push(rule.to_owned());
        }
        cells[4] = &tests;
        expected += &format!("{}\n", cells.join(" | "));
    }
    assert_eq!(listed, rules(), "{PAGE} has a row for each rule");
    assert!(
        missing.is_empty(),
        "rules without a test or a documented duty: {missing:?}"
    );
    check_page(PAGE, &expected);
}

fn join(tests: &BTreeSet<String>) -> String {
    tests.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_failure_mode_has_a_test_and_every_number_a_row() {
    const PAGE: &str = "docs/FAILURE-MODES.md";
    let tags = tags();
    let page = fs::read_to_string(Path::new(ROOT).join(PAGE)).unwrap();
    let (mut expected, mut listed) = (String::new(), BTreeSet::new());
    for line in page.lines() {
        let cells: Vec<&str> = line.split(" | ").collect();
        let mode = cells[0].trim_start_matches("| ");
        if as_failure_mode(mode).is_none() {
            expected += &format!("{line}\n");
            continue;
        }
        assert_eq!(cells.len(), 3, "{line}");
        listed.insert(mode.to_owned());
        let tests = match tags.get(mode) {
            Some(tests) => join(tests),
            None if cells[2].starts_with("none: ") => cells[2].trim_end_matches('|').trim().to_owned(),
            None => panic!("{mode} has neither a test nor a reason for none"),
        };
        expected += &format!("| {mode} | {} | {tests} |\n", cells[1]);
    }
    let named: BTreeSet<String> = tags.into_keys().filter(|tag| as_failure_mode(tag).is_some()).collect();
    assert!(
        listed.is_superset(&named),
        "{PAGE} has a row for each number that a test names"
    );
    check_page(PAGE, &expected);
}
