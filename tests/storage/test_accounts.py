from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from storage.accounts import ACCOUNT_FILE, Account, Mistake, SplitTable, Spread, read_account, write_account
from storage.content import publish, staging
from storage.errors import ContentError

SPREAD = Spread(1 / 3, 0.0, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0))
ACCOUNT = Account(
    max_length=512,
    splits=(SplitTable("test", 10, 4, 1, SPREAD, {"length": SPREAD}),),
    mistakes=(
        Mistake("test/1/ab", 0, 0.99, 231, "naïve <b>text</b>", True, 3),
        Mistake("test/2/cd", 1, 0.01, 12, None, False, None),
    ),
    num_mistakes=7,
)


def published(root: Path, value: dict[str, Any] | None) -> str:
    with staging(root) as folder:
        if value is not None:
            (folder / ACCOUNT_FILE).write_text(json.dumps(value), encoding="utf-8")
        return publish(folder, {}).name


def test_an_account_comes_back_as_it_was_written(tmp_path: Path) -> None:
    with staging(tmp_path) as folder:
        write_account(folder, ACCOUNT)
        digest = publish(folder, {}).name

    assert read_account(tmp_path, digest) == ACCOUNT


def test_an_early_bundle_has_no_account(tmp_path: Path) -> None:
    assert read_account(tmp_path, published(tmp_path, None)) is None


def test_an_account_that_was_changed_is_refused(tmp_path: Path) -> None:
    digest = published(tmp_path, asdict(ACCOUNT))
    (tmp_path / digest / ACCOUNT_FILE).write_text("{}", encoding="utf-8")

    with pytest.raises(ContentError, match="has changed since it was published"):
        read_account(tmp_path, digest)


@pytest.mark.parametrize("changes", [{"splits": [{}]}, {"mistakes": [{"word": 1}]}, {"splits": [{"words": {}}]}])
def test_an_account_of_another_layout_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    digest = published(tmp_path, asdict(ACCOUNT) | changes)

    with pytest.raises(ContentError, match="another version"):
        read_account(tmp_path, digest)
