"""Results of the `[[tests]]` as JUnit XML, for continuous integration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from pipeline.cli.test.cases import Result
from pipeline.cli.test.report import explained, title
from pipeline.config.locate import KeyPlace
from pipeline.model.errors import DocklineError


def write_junit(
    file: str, name: str, places: Sequence[KeyPlace], results: Sequence[Result]
) -> None:
    """Writes a report that Jenkins, GitLab and others read.

    `file`: where to; it is overwritten. `name`: of the test suite, the configuration's file.
    `places`: of all tests in the configuration.
    `results`: what `concealed` returned, since a report is not for secrets. Raises `DocklineError`
    when the file can't be written.
    """
    errors = [result for result in results if result.trouble]
    failures = [result for result in results if not result.passed and not result.trouble]
    counts = {
        "tests": str(len(results)),
        "failures": str(len(failures)),
        "errors": str(len(errors)),
        "time": f"{sum(result.seconds for result in results):.6f}",
    }
    suites = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": _valid(name), **counts})
    for result in results:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {
                "classname": result.case.route,
                "name": _valid(title(result)),
                "file": _valid(places[result.index].file),
                "line": str(places[result.index].line),
                "time": f"{result.seconds:.6f}",
            },
        )
        if not result.passed:
            kind = "error" if result.trouble else "failure"
            text = "\n".join(line.removeprefix("  ") for _, line in explained(result))
            first = ": ".join(line.strip() for line in text.split("\n")[:4])
            ElementTree.SubElement(case, kind, {"message": _valid(first)}).text = _valid(text)
    ElementTree.indent(suites)
    try:
        with Path(file).open("wb") as stream:
            ElementTree.ElementTree(suites).write(stream, "utf-8", xml_declaration=True)
    except OSError as error:
        raise DocklineError(f"cannot write {file}: {error.strerror}") from error


def _valid(text: str) -> str:
    """The text without the characters that XML 1.0 does not allow."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
