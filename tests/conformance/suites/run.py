"""Runs the tests of one Python package one after the other.

    run.py PACKAGE REPORT

Writes a JSON line {"test", "outcome", "text"} for each into REPORT; the outcome is
passed, skipped or failed. What the tests print goes where our own output goes.
"""

import importlib
import json
import pkgutil
import re
import sys
import unittest

import testtools


class Report(testtools.TestResult):
    """Writes outcomes down as they come."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def note(self, test, outcome, text=""):
        # A class that could not be set up is "setUpClass (package.module.Class)".
        name = re.sub(r"^(?:setUp|tearDown)(?:Class|Module) \((.*)\)$", r"\1", test.id())
        # Tempest adds the attributes of a test to its id.
        name = re.sub(r"\[.*\]$", "", name)
        self.output.write(json.dumps({"test": name, "outcome": outcome, "text": text}) + "\n")
        self.output.flush()

    def addSuccess(self, test, details=None):
        self.note(test, "passed")

    def addExpectedFailure(self, test, err=None, details=None):
        self.note(test, "passed")

    def addUnexpectedSuccess(self, test, details=None):
        self.note(test, "failed", "it succeeds, but is expected to fail")

    def addSkip(self, test, reason=None, details=None):
        if details and "reason" in details:
            reason = details["reason"].as_text()
        self.note(test, "skipped", reason or "")

    def addError(self, test, err=None, details=None):
        super().addError(test, err, details)
        self.note(test, "failed", self.errors[-1][1])

    def addFailure(self, test, err=None, details=None):
        super().addFailure(test, err, details)
        self.note(test, "failed", self.failures[-1][1])


def modules(package):
    """The package's modules with tests."""
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if found.name.rpartition(".")[2].startswith("test_"):
            yield importlib.import_module(found.name)


def main(name, path):
    loader = unittest.TestLoader()
    with open(path, "w", encoding="utf-8") as output:
        found = modules(importlib.import_module(name))
        unittest.TestSuite(map(loader.loadTestsFromModule, found)).run(Report(output))
    if loader.errors:
        sys.exit("\n".join(loader.errors))


main(*sys.argv[1:])
