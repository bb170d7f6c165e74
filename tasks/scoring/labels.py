"""What a user asks for: labels of some texts, or of all rows of a source, by the champion of a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from storage.errors import OptionError
from storage.metrics.reader import MetricsReader
from storage.options import RunOptions
from storage.records import LabelledText, ScoredFile
from storage.settings import Settings
from tasks.evaluation.metrics import predicted_labels
from tasks.scoring.champion import Scorer, serving
from tasks.scoring.files import check_output, score_source
from tasks.sources.contents import check_columns
from tasks.sources.resolve import open_texts


def label_texts(settings: Settings, texts: Sequence[str], line: str) -> list[LabelledText]:
    """Label some texts, in their order.

    Raises:
        NotFoundError: No champion serves.
        OptionError: Several lines have a champion and none was named, or a text is empty.
        ContentError: The champion cannot read text.
    """
    if not all(text.strip() for text in texts):
        raise OptionError("an empty text has no label: give each review its words.")
    scorer = _scorer(settings, line)
    probabilities = scorer.probabilities(pa.array(texts, pa.string()))
    labels = predicted_labels(probabilities).tolist()
    champion = scorer.champion.candidate_id
    return [
        LabelledText(text, round(probability, 6), label, champion)
        for text, probability, label in zip(texts, probabilities.tolist(), labels, strict=True)
    ]


def label_source(settings: Settings, options: RunOptions, output: Path, line: str) -> ScoredFile:
    """Label all rows of a source into a file.

    Raises:
        SourceError: The source cannot be read.
        NotFoundError: No champion serves.
        OptionError: The line is unclear, the output cannot be written, or the source is more than one file.
        ContentError: The champion cannot read text.
    """
    check_output(output)
    parts = open_texts(options, settings).parts
    if len(parts) > 1:
        raise OptionError(f"{options.source} is {len(parts)} files: label them one by one.")
    check_columns(parts[0].source, parts[0].columns, labelled=False)
    return score_source(_scorer(settings, line), parts[0].source, output, parts[0].columns, options.data)


def _scorer(settings: Settings, line: str) -> Scorer:
    return Scorer(settings, serving(MetricsReader(settings.database_url).champions(), line))
