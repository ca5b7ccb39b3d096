#!/usr/bin/env python3
"""Checks Autobahn reports. A case passes if its behaviour and its close are OK or INFORMATIONAL, or if it
may be NON-STRICT. A missing case fails."""
import argparse
import json
import sys
from collections import Counter
from pathlib import Path

# The number of cases of each section in autobahntestsuite 25.10.1. There are no sections 8 and 11.
SECTIONS = {1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1, 12: 90, 13: 126}
PASSING = ("OK", "INFORMATIONAL")


def load(directory):
    """Returns {agent: {case: result}}. It is empty if the suite has not written its report."""
    try:
        return json.loads((directory / "index.json").read_text())
    except (OSError, ValueError) as error:
        print(f"  cannot read the report: {error}")
        return {}


def detail(directory, result):
    """Returns the description of the result of a case, from its own file."""
    try:
        case = json.loads((directory / result["reportfile"]).read_text())
        return f"{case['result']} {case['resultClose']}"
    except (OSError, ValueError, KeyError):
        return ""


def passes(result, may_be_non_strict):
    behavior = result.get("behavior")
    is_allowed = behavior in PASSING or behavior == "NON-STRICT" and may_be_non_strict
    return is_allowed and result.get("behaviorClose") in PASSING


def numeric(case):
    return [int(part) for part in case.split(".")]


def missing(cases, expected):
    """Returns the number of missing cases. `expected` is a number, or a number for each section."""
    if isinstance(expected, int):
        return max(0, expected - len(cases))
    found = Counter(numeric(case)[0] for case in cases)
    missing_cases = {section: number - found[section]
                     for section, number in expected.items() if number > found[section]}
    for section, number in missing_cases.items() if cases else ():
        print(f"  section {section}: {number} of {expected[section]} cases missing")
    return sum(missing_cases.values())


def check(directory, expected, non_strict):
    """Returns (passed, failed) of one role. The directory has the name of the role."""
    passed = failed = 0
    # Without a report, all expected cases are missing.
    for agent, cases in (load(directory) or {"-": {}}).items():
        failing = sorted((case for case in cases if not passes(cases[case], case in non_strict)), key=numeric)
        for case in failing:
            result = cases[case]
            print(f"  {case}: {result.get('behavior')}, close {result.get('behaviorClose')}:", detail(directory, result))
        missing_count = missing(cases, expected)
        counts = Counter(cases[case]["behavior"] for case in cases if case not in failing)
        print(f"autobahn {directory.name}: {len(cases)} cases: "
              f"{counts['OK']} OK, {counts['INFORMATIONAL']} INFORMATIONAL, "
              + (f"{counts['NON-STRICT']} NON-STRICT, " if non_strict else "")
              + f"{len(failing)} other"
              + (f", {missing_count} missing" if missing_count else "")
              + (f" ({agent})" if agent not in ("-", "sockless") else ""))
        passed += len(cases) - len(failing)
        failed += len(failing) + missing_count
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report_dir", nargs="+", type=Path, help="directory of index.json, named after the role")
    expectation = parser.add_mutually_exclusive_group()
    expectation.add_argument("--expect-cases", type=int, metavar="N", help="number of selected cases")
    expectation.add_argument("--sections", type=int, nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION",
                             help="selected sections (default: all)")
    parser.add_argument("--may-be-non-strict", nargs="+", default=[], metavar="CASE", help="cases that pass then too")
    options = parser.parse_args()
    expected = options.expect_cases
    if expected is None:
        expected = {section: SECTIONS[section] for section in options.sections}
    elif expected < 1:
        parser.error("--expect-cases: must be at least 1")

    totals = [check(directory, expected, options.may_be_non_strict) for directory in options.report_dir]
    passed, failed = (sum(column) for column in zip(*totals))
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
