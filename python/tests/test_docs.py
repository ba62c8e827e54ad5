"""The examples of the docs: what stands behind a prompt is run, and answers as shown."""

from __future__ import annotations

import doctest
from pathlib import Path

from conftest import Server

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_page_on_python_is_true(shared: Server) -> None:
    tried = doctest.testfile(
        str(PAGE),
        module_relative=False,
        globs={"address": shared.address},
        optionflags=doctest.IGNORE_EXCEPTION_DETAIL,
    )
    assert tried.failed == 0 and tried.attempted > 20
