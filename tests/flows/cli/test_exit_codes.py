from __future__ import annotations

import pytest

from flows.cli import exit_code
from storage.errors import DataRejectedError, NotFoundError, OptionError, RetrainError, SourceError, TrainingError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TrainingError("nan"), 1),
        (OptionError("what"), 2),
        (SourceError("where"), 2),
        (DataRejectedError("no"), 3),
        (NotFoundError("who"), 4),
    ],
)
def test_every_error_has_its_exit_code(error: RetrainError, code: int) -> None:
    assert exit_code(error) == code
