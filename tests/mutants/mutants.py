"""Mutation testing in one build: see `run`.

A build for each mutant would take days. So a copy of the crate has all mutants of cargo-mutants,
each behind a switch (its operator keeps its operands: `a && b && c` becomes `(a || b) && c`), and a
variable of the environment selects one when a test starts (`switches.py`, `switch.rs`). Those at
which the compiler reports an error are left out. Each test runs once to see which mutants it
reaches, and then each mutant with the tests that reach it, the quickest first, until one fails.
"""

import argparse
import collections
import concurrent.futures
import json
import math
import os
import pathlib
import random
import re
import resource
import shutil
import subprocess
import sys
import threading
import time

from switches import File

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / "target/mutants"
COPY = WORK / "copy"
CARGO = ["cargo", "+nightly"]
JOBS = os.cpu_count()
# What is not caught in one configuration is tried in the next.
ALL = ["http", "zlib-rs", "simd", "bytes", "recording"]
CONFIGURATIONS = {
    "http": ["--features", "sockless-tests/http"],
    "zlib-rs, simd, bytes, recording": ["--features", ",".join(f"sockless-tests/{name}" for name in ALL)],
    "no features but alloc": ["--no-default-features", "--features", "sockless-tests/laws"],
}
PACKAGES = ["-p", "sockless", "-p", "sockless-tests"]
# Not the adapters, and not what the feature `recording` adds.
EXCLUDED = re.compile(r"src/(adapter|recording|recorder)/|src/connection/recorded")
WITHOUT_ADAPTERS = re.compile(r'#\[cfg\(feature = "std"\)\]\nmod (adapters|chat);\n')
MEMORY = 4 << 30
ALIVE = ("survived", "not reached")

Test = collections.namedtuple("Test", "binary name seconds reached")


def main():
    arguments = parse_arguments()
    mutants = list_mutants(arguments)
    listed = read_list()
    is_complete = not (arguments.names or arguments.changed is not None or arguments.minutes)
    results = {}
    for name, features in CONFIGURATIONS.items():
        open_ones = [mutant for mutant in mutants if results.get(mutant["id"]) in (None, *ALIVE)]
        if results and arguments.minutes:
            break
        if results and not is_complete:
            # One build is enough, but for what should have been caught in it.
            of_first = [mutant for mutant in open_ones if results.get(mutant["id"]) == "survived"]
            open_ones = [mutant for mutant in of_first if key(mutant) not in listed]
        if not open_ones:
            break
        print(f"=== {name}: {len(open_ones)} mutants", flush=True)
        viable, binaries = build(open_ones, features, results)
        tests = trace(binaries)
        deadline = time.monotonic() + 60 * arguments.minutes if arguments.minutes else math.inf
        run_all(in_order(viable, listed, arguments.seed), tests, arguments.each, deadline, results)
    report(mutants, results, listed, is_complete, arguments.at_least)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--changed", metavar="COMMIT", nargs="?", const="")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--at-least", type=float, default=100)
    parser.add_argument("--each", type=float, default=30)
    parser.add_argument("--seed", default="")
    parser.add_argument("names", nargs="*")
    return parser.parse_args()


def list_mutants(arguments):
    mutants = json.loads(output_of("cargo", "mutants", "--list", "--json", "-p", "sockless"))
    mutants = [mutant for mutant in mutants if not EXCLUDED.match(mutant["file"])]
    if arguments.changed is not None and (commit := arguments.changed or before_recent_commits()):
        changed = output_of("git", "diff", "--name-only", "--relative", commit, "--", "src").split()
        mutants = [mutant for mutant in mutants if mutant["file"] in changed]
    for number, mutant in enumerate(mutants, 1):
        mutant["id"] = number
    return [mutant for mutant in mutants if any(name in mutant["name"] for name in arguments.names or [""])]


def before_recent_commits():
    """The commit before the last ten that changed the sources; `None` if the clone is too shallow."""
    commits = output_of("git", "log", "-10", "--format=%H %P", "--", "src").splitlines()
    _, *parents = commits[-1].split() if commits else [None]
    is_known = parents and subprocess.run(["git", "cat-file", "-e", parents[0]], cwd=ROOT, stderr=subprocess.DEVNULL)
    return parents[0] if is_known and is_known.returncode == 0 else None


def output_of(*command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def key(mutant):
    """How `equivalent.txt` names it: without the line."""
    return re.sub(r":\d+:\d+:", ":", mutant["name"])


def read_list():
    lines = (HERE / "equivalent.txt").read_text().splitlines()
    return collections.Counter(line for line in lines if line and not line.startswith("#"))


def in_order(mutants, listed, seed):
    """Any order, but those that are listed last."""
    shuffled = random.Random(seed).sample(mutants, len(mutants))
    return sorted(shuffled, key=lambda mutant: key(mutant) in listed)


# The build.


def build(mutants, features, results):
    """Returns the mutants that compile, and the test binaries with the folders where they run."""
    make_copy()
    viable = {mutant["id"]: mutant for mutant in mutants}
    while True:
        spans = write_sources(list(viable.values()), max(mutant["id"] for mutant in mutants) + 1)
        command = [*CARGO, "check", *PACKAGES, "--lib", *features]
        passes, messages, output = cargo(command)
        failing = {mutant for message in messages for mutant in mutants_at(message, spans)}
        print(f"{len(viable)} mutants, {len(failing)} of them do not compile", flush=True)
        if passes:
            break
        if not failing:
            sys.exit(output + "\n".join(message["rendered"] for message in messages))
        for mutant in failing:
            results[mutant] = "does not compile"
            viable.pop(mutant, None)
    command = [*CARGO, "test", *PACKAGES, "--lib", "--test", "main", "--no-run", *features]
    passes, messages, output = cargo(command, of="compiler-artifact")
    if not passes:
        sys.exit(output)
    built = [message for message in messages if message["executable"] and message["profile"]["test"]]
    binaries = [(message["executable"], pathlib.Path(message["manifest_path"]).parent) for message in built]
    return list(viable.values()), binaries


def make_copy():
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, stdout=subprocess.PIPE
    )
    files = {file for file in files.stdout.decode().split("\0") if file and (ROOT / file).is_file()}
    for old in COPY.rglob("*.rs"):
        if str(old.relative_to(COPY)) not in files:
            old.unlink()
    for file in files:
        if not file.startswith("src/") and file not in ("Cargo.toml", "tests/main.rs"):
            write(COPY / file, (ROOT / file).read_bytes())
    if (ROOT / "Cargo.lock").exists():
        shutil.copy(ROOT / "Cargo.lock", COPY)
    write(COPY / "Cargo.toml", (ROOT / "Cargo.toml").read_bytes().replace(b'unsafe_code = "forbid"', b""))
    write(COPY / "tests/main.rs", WITHOUT_ADAPTERS.sub("", (ROOT / "tests/main.rs").read_text()).encode())


def write(path, content):
    """What is not changed keeps its time, so that it is not built again."""
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_sources(mutants, count):
    """Returns where each mutant is in each file."""
    of_file = collections.defaultdict(list)
    for mutant in mutants:
        of_file[mutant["file"]].append(mutant)
    spans = {}
    for path in sorted((ROOT / "src").rglob("*")):
        name = str(path.relative_to(ROOT))
        if path.is_dir():
            continue
        content = path.read_bytes()
        if name in of_file:
            file = File(content, of_file[name])
            content, spans[name] = file.with_switches()
            for mutant in of_file[name]:
                # Deletes an arm that has to be there.
                if mutant["id"] not in file.placed and mutant["genre"] != "MatchArm":
                    print(f"not measured, no place for a switch: {mutant['name']}")
        if name == "src/lib.rs":
            start = b"#![feature(core_intrinsics, const_eval_select)]\n#![allow(internal_features, warnings)]\n"
            # For the switch of the mutants, which runs before `main`.
            content = content.replace(b"#![forbid(unsafe_code)]", b"")
            content = start + content + (HERE / "switch.rs").read_bytes().replace(b"COUNT", str(count).encode())
        write(COPY / name, content)
    return spans


def cargo(command, of="compiler-message"):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(WORK / "target"), "RUSTFLAGS": "", "CARGO_PROFILE_DEV_DEBUG": "0"}
    environment["CARGO_PROFILE_DEV_OPT_LEVEL"] = "1"
    command = [*command, "--message-format=json", f"-j{JOBS}"]
    run = subprocess.run(command, cwd=COPY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in run.stdout.splitlines()]
    messages = [message.get("message", message) for message in messages if message["reason"] == of]
    return run.returncode == 0, [message for message in messages if message.get("level", "error") == "error"], run.stderr


def mutants_at(message, spans):
    """The mutants at whose place the error is, or else those that are inside of this place."""
    primary = [span for span in message["spans"] if span["is_primary"]]
    for places in (primary, message["spans"]):
        found = set()
        for place in places:
            start, end = place["byte_start"], place["byte_end"]
            of_file = spans.get(place["file_name"], [])
            inside = {mutant for a, b, mutant in of_file if a <= start and end <= b}
            found |= inside or {mutant for a, b, mutant in of_file if start < b and a < end < start + 4000}
        if found:
            return found
    return set()


# The runs.


def call(binary, folder, tests, selected, seconds, **variables):
    """Returns what the tests print if one fails, or else "", and the seconds of the processor."""
    environment = {
        **os.environ,
        "CARGO_MANIFEST_DIR": str(folder),
        "RUST_BACKTRACE": "0",
        "PROPTEST_DISABLE_FAILURE_PERSISTENCE": "1",
        "PROPTEST_MAX_SHRINK_ITERS": "0",
        "MUTANT": str(selected),
        **variables,
    }

    def limits():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds), math.ceil(seconds)))

    command = [binary, "--exact", "--test-threads=1", *tests]
    options = {"cwd": folder, "env": environment, "preexec_fn": limits, "start_new_session": True}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    # For what does not end because it waits.
    timer = threading.Timer(30 + 10 * seconds, process.kill)
    timer.start()
    output = process.stdout.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    timer.cancel()
    return (output or "no output") if status else "", usage.ru_utime + usage.ru_stime


def trace(binaries):
    """Runs each test once, with no mutant."""

    def run(number, binary, folder, name):
        reached = WORK / f"trace/{number}"
        output, seconds = call(binary, folder, [name], 0, 60, MUTANT_TRACE=str(reached))
        if output:
            return None
        ids = {int(line) for line in reached.read_text().split()} if reached.exists() else set()
        return Test((binary, folder), name, seconds, ids)

    shutil.rmtree(WORK / "trace", ignore_errors=True)
    (WORK / "trace").mkdir()
    tests = []
    for binary, folder in binaries:
        lines = subprocess.run([binary, "--list"], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        tests += [(binary, folder, line.removesuffix(": test")) for line in lines if line.endswith(": test")]
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        results = list(pool.map(lambda test: run(test[0], *test[1]), enumerate(tests)))
    # Those fail that read the sources as texts, and some that need what the copy does not have.
    print(f"{len(tests)} tests; not used:", *[test[2] for test, result in zip(tests, results) if not result], flush=True)
    used = [result for result in results if result]
    print(f"{sum(test.seconds for test in used):.0f} s")
    (WORK / "trace/tests.json").write_text(json.dumps([(t.name, t.seconds, len(t.reached)) for t in used]))
    return used


def run_all(mutants, tests, limit, deadline, results):
    # What is quick and reaches few mutants is of their subject.
    tests = sorted(tests, key=lambda test: (test.seconds > 0.3, test.seconds * len(test.reached)))
    log = open(WORK / "results.txt", "a")

    def run(mutant):
        if time.monotonic() > deadline:
            return
        verdict, by = run_one(mutant["id"], [test for test in tests if mutant["id"] in test.reached], limit)
        results[mutant["id"]] = verdict
        print(f"{verdict}\t{mutant['name']}\t{by}", file=log, flush=True)

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(run, mutants))


def run_one(mutant, tests, limit):
    """Runs groups of tests of one binary, of growing size, until one fails, or for `limit` seconds."""
    verdict, at, size = ("survived" if tests else "not reached"), 0, 1
    while at < len(tests) and sum(test.seconds for test in tests[:at + 1]) < limit:
        group = [tests[at]]
        for test in tests[at + 1 : at + size]:
            if test.binary != group[0].binary or sum(other.seconds for other in group) > 3:
                break
            group.append(test)
        at += len(group)
        size *= 2
        seconds = 3 + 10 * sum(test.seconds for test in group)
        output, _ = call(*group[0].binary, [test.name for test in group], mutant, seconds)
        if output:
            failed = re.findall(r"^test (\S+) .*FAILED$", output, re.MULTILINE)
            return "caught", " ".join(failed) or output.strip().split("\n")[-1]
    return verdict, ""


# The report.


def report(mutants, results, listed, is_complete, at_least):
    counts = collections.Counter(results.values())
    alive = ALIVE if is_complete else ALIVE[:1]
    survivors = [mutant for mutant in mutants if results.get(mutant["id"]) in alive]
    left = listed.copy()
    new = []
    for mutant in survivors:
        if left[key(mutant)] > 0:
            left[key(mutant)] -= 1
        else:
            new.append(mutant)
    print(f"=== {len(mutants)} mutants, {len(results)} have run: {dict(counts)}")
    measured = counts["caught"] + len(new)
    viable = sum(counts.values()) - counts["does not compile"]
    print(f"{100 * counts['caught'] / max(1, viable):.1f} % of those that compile are caught", end=", ")
    score = 100 * counts["caught"] / max(1, measured)
    print(f"{score:.1f} % of those that are not listed")
    for mutant in new:
        print(f"{results[mutant['id']]}, and is not in equivalent.txt: {mutant['name']}")
    stale = +left if is_complete else {}
    for name in stale:
        print(f"is in equivalent.txt, and does not survive: {name}")
    sys.exit(bool(stale or (new and score < at_least)))


main()
