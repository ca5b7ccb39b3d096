"""Drives the Autobahn Testsuite without spec files. Python 2.7, as the suite is.

    suite.py count                      how many cases CASES and EXCLUDE select
    suite.py fuzzingclient OUTDIR URL   tests the server at URL
    suite.py fuzzingserver OUTDIR       tests the client that connects to the address printed

CASES and EXCLUDE are environment variables: case patterns, separated by spaces.
"""
from autobahntestsuite import wstest  # first of all: it chooses the reactor

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
        sys.exit("bad case pattern: %s" % error)
    unknown = [case for case in chosen if case not in suite.CasesById]
    if unknown:
        sys.exit("no such case: %s" % " ".join(unknown))
    # The suite's client waits forever when it has nothing to run.
    if not chosen:
        sys.exit("CASES and EXCLUDE select no case")
    return len(chosen)


def listen(factory, _tls):
    """Stands in for the suite's own, which takes a fixed port and binds every interface."""
    port = reactor.listenTCP(0, factory, interface=LOOPBACK).getHost().port
    factory.port = factory.externalPort = port  # a Host header with another port is refused
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
        spec["url"] = "ws://%s:1" % LOOPBACK  # the port is decided in listen()
        fuzzing.listenWS = listen
        fuzzing.startServer(spec, webport=0)
    else:
        sys.exit(__doc__)
    reactor.run()


main(*sys.argv[1:])
