"""What a user asks for: labels of some texts, or of all rows of a source, by the champion of a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from storage.errors import OptionError, SourceError
from storage.metrics.reader import MetricsReader
from storage.options import RunOptions
from storage.records import LabelledText, ScoredFile
from storage.settings import Settings
from tasks.evaluation.metrics import predicted_labels
from tasks.scoring.champion import Scorer, serving
from tasks.scoring.files import score_parts
from tasks.scoring.output import check_output
from tasks.sources.contents import check_columns
from tasks.sources.named import RESERVED
from tasks.sources.resolve import open_texts
from tasks.sources.values import storable


def label_texts(settings: Settings, texts: Sequence[str], line: str) -> list[LabelledText]:
    """Label some texts, in their order.

    Raises:
        NotFoundError: No champion serves.
        OptionError: Several lines have a champion and none was named, or a text has no words.
        ContentError: The champion cannot read text, or gives no number.
    """
    if not all(text.strip() for text in texts):
        raise OptionError("an empty text has no label: give each review its words.")
    array = pa.array([_checked(text) for text in texts], pa.string())
    scorer = _scorer(settings, line)
    probabilities = scorer.probabilities(array)
    for text, has_words in zip(texts, scorer.has_words(array), strict=True):
        if not has_words:
            raise OptionError(f"there is no word in the text {text!r}, and so no label: give each review its words.")
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
        OptionError: The line is unclear, or the output cannot be written.
        ContentError: The champion cannot read text, or gives no number.
    """
    check_output(output)
    if options.source in RESERVED or options.source.endswith(".npz"):
        raise SourceError(f"{options.source} holds word ranks, not texts: name a file or a source of texts.")
    parts = open_texts(options, settings).parts
    check_output(output, *(part.source.origin for part in parts))
    for part in parts:
        check_columns(part.source, part.columns, labelled=False)
    return score_parts(_scorer(settings, line), parts, output, options.data)


def _checked(text: str) -> str:
    """A text of the command line, whose bytes may be anything."""
    if storable(text) != text:
        raise OptionError(f"the text {storable(text)!r} is not UTF-8: give it in UTF-8, or in a file with --input.")
    return text


def _scorer(settings: Settings, line: str) -> Scorer:
    return Scorer(settings, serving(MetricsReader(settings.database_url).champions(), line))
