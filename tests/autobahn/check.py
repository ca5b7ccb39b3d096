#!/usr/bin/env python3
"""Judges Autobahn reports: only OK and INFORMATIONAL pass, in behaviour and in closing; a missing case fails."""
import argparse
import json
import sys
from collections import Counter
from pathlib import Path

# Cases per section in autobahntestsuite 25.10.1; there is no 8 and no 11.
SECTIONS = {1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1, 12: 90, 13: 126}
GOOD = ("OK", "INFORMATIONAL")


def load(directory):
    """{agent: {case: result}}, empty when the suite did not come as far as to write it."""
    try:
        return json.loads((directory / "index.json").read_text())
    except (OSError, ValueError) as error:
        print(f"  no report: {error}")
        return {}


def detail(directory, result):
    """What the suite says about a case, from its own file."""
    try:
        case = json.loads((directory / result["reportfile"]).read_text())
        return f"{case['result']} {case['resultClose']}"
    except (OSError, ValueError, KeyError):
        return ""


def good(result):
    return result.get("behavior") in GOOD and result.get("behaviorClose") in GOOD


def numeric(case):
    return [int(part) for part in case.split(".")]


def missing(cases, expected):
    """How many of the expected cases are not there. `expected` is a number, or a number per section."""
    if isinstance(expected, int):
        return max(0, expected - len(cases))
    found = Counter(numeric(case)[0] for case in cases)
    short = {section: number - found[section]
             for section, number in expected.items() if number > found[section]}
    for section, number in short.items() if cases else ():
        print(f"  section {section}: {number} of {expected[section]} cases missing")
    return sum(short.values())


def check(directory, expected):
    """(passed, failed) of one role; its name is the name of the directory."""
    passed = failed = 0
    # Without any agent all that was expected is missing.
    for agent, cases in (load(directory) or {"-": {}}).items():
        bad = sorted((case for case in cases if not good(cases[case])), key=numeric)
        for case in bad:
            result = cases[case]
            print(f"  {case}: {result.get('behavior')}, close {result.get('behaviorClose')}:", detail(directory, result))
        lost = missing(cases, expected)
        counts = Counter(cases[case]["behavior"] for case in cases if good(cases[case]))
        print(f"autobahn {directory.name}: {len(cases)} cases: "
              f"{counts['OK']} OK, {counts['INFORMATIONAL']} INFORMATIONAL, {len(bad)} other"
              + (f", {lost} missing" if lost else "")
              + (f" ({agent})" if agent not in ("-", "sockless") else ""))
        passed += len(cases) - len(bad)
        failed += len(bad) + lost
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report_dir", nargs="+", type=Path, help="holds index.json; its name is the role")
    wanted = parser.add_mutually_exclusive_group()
    wanted.add_argument("--expect-cases", type=int, metavar="N", help="number of cases that were asked for")
    wanted.add_argument("--sections", type=int, nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION",
                        help="sections that were asked for, whole (default: all)")
    options = parser.parse_args()
    expected = options.expect_cases
    if expected is None:
        expected = {section: SECTIONS[section] for section in options.sections}
    elif expected < 1:
        parser.error("--expect-cases: a run of no cases proves nothing")

    totals = [check(directory, expected) for directory in options.report_dir]
    passed, failed = (sum(column) for column in zip(*totals))
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
