"""Runs the Autobahn Testsuite without spec files. The suite needs Python 2.7.

    suite.py count                      prints the number of cases that CASES and EXCLUDE select
    suite.py fuzzingclient OUTDIR URL   tests the server at URL
    suite.py fuzzingserver OUTDIR       prints an address, and tests the client that connects to it

CASES and EXCLUDE are environment variables with case patterns, separated by spaces.
"""
from autobahntestsuite import wstest  # the first import: it installs the reactor

import os
import sys

from autobahntestsuite import fuzzing
from twisted.internet import reactor

LOOPBACK = "127.0.0.1"


def count(spec):
    suite = fuzzing.CaseSet(fuzzing.CaseSetname, fuzzing.CaseBasename, fuzzing.Cases,
                            fuzzing.CaseCategories, fuzzing.CaseSubCategories)
    try:
        chosen = suite.parseSpecCases(spec)
    except ValueError as error:
        sys.exit("invalid case pattern: %s" % error)
    unknown = [case for case in chosen if case not in suite.CasesById]
    if unknown:
        sys.exit("no such case: %s" % " ".join(unknown))
    # The client of the suite waits without end if there are no cases.
    if not chosen:
        sys.exit("CASES and EXCLUDE select no case")
    return len(chosen)


def listen(factory, _tls):
    """Replaces the function of the suite, which uses a fixed port and all interfaces."""
    port = reactor.listenTCP(0, factory, interface=LOOPBACK).getHost().port
    factory.port = factory.externalPort = port  # the suite refuses a Host header with another port
    print("listening on ws://%s:%d/" % (LOOPBACK, port))


def main(mode, outdir=None, url=None):
    spec = {"cases": os.environ["CASES"].split(), "exclude-cases": os.environ.get("EXCLUDE", "").split()}
    number = count(spec)
    if mode == "count":
        print(number)
        return
    spec["outdir"] = outdir
    if mode == "fuzzingclient":
        spec["servers"] = [{"agent": "sockless", "url": url}]
        fuzzing.startClient(spec)
    elif mode == "fuzzingserver":
        spec["url"] = "ws://%s:1" % LOOPBACK  # listen() sets the port
        fuzzing.listenWS = listen
        fuzzing.startServer(spec, webport=0)
    else:
        sys.exit(__doc__)
    reactor.run()


main(*sys.argv[1:])
