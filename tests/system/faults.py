"""The faults that people really make, each injected into the running pipeline: what is broken, and who must stop it.

A fault changes what one step hands to the next one (the source's reviews, the drawn splits, the featurized matrices),
or the model and the way in which it is trained, scored and published. Nothing else is touched, so whoever stops it has
found it in the pipeline's own data.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from storage.bundles import MODEL_FILE, load_bundle, load_model, publish_bundle
from storage.matrices import Matrix, read_matrix
from storage.options import ColumnOptions
from storage.records import Split
from storage.sequences import Sequences
from storage.snapshots import Rows, StoredSnapshot, open_snapshot
from tasks.evaluation.fresh_process import FreshProcess
from tasks.features.encoding import Encoder
from tasks.features.matrices import fit_and_featurize
from tasks.features.review_features import review_features
from tasks.features.scaler import Scaler
from tasks.sources.base import LabelledReviews, Limits, Reviews
from tasks.sources.files import open_path
from tasks.sources.resolve import OpenedTexts, open_source
from tasks.sources.splits import split_rows
from tasks.sources.texts import TextPart
from tasks.training.job import train_here
from tests.reviews import Review, reviews, write_reviews

Inject = Callable[[pytest.MonkeyPatch], None]
Splits = dict[Split, Rows]
Matrices = dict[Split, Matrix]
Stage = Literal["before training", "before promotion"]


@dataclass(frozen=True)
class Fault:
    """One way to break a retraining.

    Attributes:
        name: What went wrong, as somebody would tell it.
        stopped_by: The check or gate that must name it.
        stage: The earliest stage at which it can be known.
        options: Options of the run that belong to the fault.
        damage: Done to the published bundles of an earlier run, whose champion the broken run is compared with; None
            where there is no earlier run.
    """

    name: str
    stopped_by: str
    stage: Stage
    inject: Inject
    options: Mapping[str, Any] = field(default_factory=dict)
    damage: Callable[[Path], None] | None = None


def _random() -> np.random.Generator:
    return np.random.default_rng(2025)


# Where the fault is put in.


def _in_source(change: Callable[[Reviews], Reviews]) -> Inject:
    def inject(monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*given: Any) -> Reviews:
            found = open_source(*given)
            assert not isinstance(found, OpenedTexts)
            return change(found)

        monkeypatch.setattr("tasks.ingest.open_source", broken)

    return inject


def _in_texts(change: Callable[[list[Review]], list[Review]]) -> Inject:
    """The source is a file of texts, with a change."""

    def inject(monkeypatch: pytest.MonkeyPatch) -> None:
        path = Path(os.environ["RETRAIN_HOME"]) / "shop.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_reviews(path, change(reviews(3000, seed=7)))
        columns = ColumnOptions()
        part = TextPart("shop", open_path(path, columns, Limits(2**30, 10**6, 10**5)), columns)
        monkeypatch.setattr("tasks.ingest.open_source", lambda *_: OpenedTexts("shop", "a test asked for it", (part,)))

    return inject


def _in_splits(change: Callable[[Splits], Splits]) -> Inject:
    def inject(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tasks.ingest.split_rows", lambda *given: change(split_rows(*given)))

    return inject


def _in_matrices(change: Callable[[Matrices, Splits, Encoder, Scaler], Matrices]) -> Inject:
    def inject(monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(splits: Splits, *given: Any, **named: Any) -> tuple[Matrices, Encoder, Scaler]:
            matrices, encoder, scaler = fit_and_featurize(splits, *given, **named)
            return change(matrices, splits, encoder, scaler), encoder, scaler

        monkeypatch.setattr("tasks.featurize.fit_and_featurize", broken)

    return inject


# The source.


def _relabel(of: LabelledReviews, labels: npt.NDArray[Any]) -> LabelledReviews:
    return replace(of, labels=labels.astype(np.uint8))


def _join(*parts: Sequences) -> Sequences:
    return Sequences.from_lengths(
        np.concatenate([part.values for part in parts]), np.concatenate([part.lengths for part in parts])
    )


def _map_values(tokens: Sequences, change: Callable[[npt.NDArray[np.int32]], npt.NDArray[Any]]) -> Sequences:
    return Sequences(change(tokens.values).astype(np.int32), tokens.offsets)


def _shuffled_labels(of: LabelledReviews) -> LabelledReviews:
    return _relabel(of, _random().permutation(of.labels))


def _by_label(of: LabelledReviews) -> LabelledReviews:
    order = np.argsort(of.labels, kind="stable")
    return LabelledReviews(of.tokens.take(order), of.labels[order])


def _by_length(of: LabelledReviews) -> LabelledReviews:
    order = np.argsort(of.tokens.lengths, kind="stable")
    return LabelledReviews(of.tokens.take(order), of.labels[order])


def _with_rows(of: LabelledReviews, more: LabelledReviews) -> LabelledReviews:
    return LabelledReviews(_join(of.tokens, more.tokens), np.concatenate([of.labels, more.labels]))


def _first(of: LabelledReviews, rows: int) -> LabelledReviews:
    return LabelledReviews(of.tokens.take(np.arange(rows)), of.labels[:rows])


def _nearly_same(of: LabelledReviews) -> LabelledReviews:
    """The same reviews with their last word changed."""
    values = of.tokens.values.copy()
    values[of.tokens.offsets[1:] - 1] += 1
    return LabelledReviews(Sequences(values, of.tokens.offsets), of.labels)


def _emptied(of: LabelledReviews, share: float) -> LabelledReviews:
    lengths = of.tokens.lengths.copy()
    keep = np.ones(len(of.tokens.values), dtype=bool)
    for row in np.flatnonzero(_random().random(len(lengths)) < share):
        keep[of.tokens.offsets[row] : of.tokens.offsets[row + 1]] = False
        lengths[row] = 0
    return replace(of, tokens=Sequences.from_lengths(of.tokens.values[keep], lengths))


def _one_word(of: LabelledReviews, share: float) -> LabelledReviews:
    rows = _random().random(len(of.tokens)) < share
    values = np.where(rows[of.tokens.row_numbers], 17, of.tokens.values)
    return replace(of, tokens=Sequences(values.astype(np.int32), of.tokens.offsets))


def _tagged(of: LabelledReviews) -> LabelledReviews:
    """A word at the end of each review that says its label: 30,001 or 30,002."""
    values = np.insert(of.tokens.values, of.tokens.offsets[1:], 30_001 + of.labels.astype(np.int32))
    return replace(of, tokens=Sequences.from_lengths(values, of.tokens.lengths + 1))


def _stretched(of: LabelledReviews) -> LabelledReviews:
    """Positive reviews said over and over again: their length gives the label away."""
    repeats = np.where(of.labels == 1, 12, 1)
    rows = np.repeat(np.arange(len(of.labels)), repeats)
    pieces = of.tokens.take(rows)
    return replace(of, tokens=Sequences.from_lengths(pieces.values, of.tokens.lengths * repeats))


def _both(change: Callable[[LabelledReviews], LabelledReviews]) -> Callable[[Reviews], Reviews]:
    return lambda reviews: replace(reviews, train=change(reviews.train), test=change(reviews.test))


def _train(change: Callable[[LabelledReviews], LabelledReviews]) -> Callable[[Reviews], Reviews]:
    return lambda reviews: replace(reviews, train=change(reviews.train))


def _test(change: Callable[[LabelledReviews], LabelledReviews]) -> Callable[[Reviews], Reviews]:
    return lambda reviews: replace(reviews, test=change(reviews.test))


def _other_vocabulary(of: LabelledReviews) -> LabelledReviews:
    """Words numbered by another vocabulary: the same frequencies of numbers, other words behind them."""
    size = int(of.tokens.values.max()) + 1
    numbers = np.concatenate([[0], 1 + _random().permutation(size - 1)])
    return replace(of, tokens=_map_values(of.tokens, lambda values: numbers[values]))


def _unknown_words(of: LabelledReviews) -> LabelledReviews:
    hit = _random().random(len(of.tokens.values)) < 0.5
    return replace(of, tokens=_map_values(of.tokens, lambda values: np.where(hit, 400_000 + values, values)))


# The splits.


def _rows_of(splits: Splits) -> Rows:
    """All training rows, validation among them, in the order of the file."""
    train, validation = splits["train"], splits["validation"]
    places = [int(str(row).split("/")[1]) for rows in (train, validation) for row in rows.ids.to_pylist()]
    whole = Rows(
        pa.concat_arrays([train.ids, validation.ids]),
        np.concatenate([train.labels, validation.labels]),
        _join(train.tokens, validation.tokens),
    )
    return whole.take(np.argsort(places))


def _cut_tail(splits: Splits) -> Splits:
    """What `validation = train[-n:]` does."""
    whole = _rows_of(splits)
    cut = len(splits["train"].ids)
    rows = np.arange(len(whole.ids))
    return {**splits, "train": whole.take(rows[:cut]), "validation": whole.take(rows[cut:])}


def _keep_class(split: Split, label: int, others: int) -> Callable[[Splits], Splits]:
    """Only one class in a split, but for some rows of the other one."""

    def change(splits: Splits) -> Splits:
        rows = splits[split]
        kept = np.flatnonzero(rows.labels == label)
        rest = np.flatnonzero(rows.labels != label)[:others]
        return {**splits, split: rows.take(np.sort(np.concatenate([kept, rest])))}

    return change


def _validation_labels_shuffled(splits: Splits) -> Splits:
    rows = splits["validation"]
    return {**splits, "validation": replace(rows, labels=_random().permutation(rows.labels))}


def _train_again_in_validation(splits: Splits) -> Splits:
    train, validation = splits["train"], splits["validation"]
    return {**splits, "validation": train.take(np.arange(len(validation.ids)))}


def _sorted_tail(order: Callable[[LabelledReviews], LabelledReviews]) -> Inject:
    def inject(monkeypatch: pytest.MonkeyPatch) -> None:
        _in_source(_train(order))(monkeypatch)
        _in_splits(_cut_tail)(monkeypatch)

    return inject


# The matrices.


def _test_features_in_another_order(matrices: Matrices, *_: Any) -> Matrices:
    matrix = matrices["test"]
    order = _random().permutation(len(matrix))
    return {**matrices, "test": replace(matrix, features=matrix.features[order])}


def _test_sequences_in_another_order(matrices: Matrices, *_: Any) -> Matrices:
    matrix = matrices["test"]
    order = _random().permutation(len(matrix))
    ids = matrix.sequence_ids.take(pa.array(order))
    return {**matrices, "test": replace(matrix, sequences=matrix.sequences.take(order), sequence_ids=ids)}


def _labels_shifted(split: Split) -> Callable[..., Matrices]:
    def change(matrices: Matrices, *_: Any) -> Matrices:
        matrix = matrices[split]
        return {**matrices, split: replace(matrix, labels=np.roll(matrix.labels, 1))}

    return change


def _features_of_the_same_class(matrices: Matrices, *_: Any) -> Matrices:
    """Each review gets the features of another review of its class (Bingyu & Arefyev, Insights 2022)."""
    result = dict(matrices)
    for split, matrix in matrices.items():
        features = matrix.features.copy()
        for label in (0, 1):
            rows = np.flatnonzero(matrix.labels == label)
            features[rows] = matrix.features[np.roll(rows, 1)]
        result[split] = replace(matrix, features=features)
    return result


def _sequences_of_the_same_class(matrices: Matrices, *_: Any) -> Matrices:
    matrix = matrices["test"]
    order = np.arange(len(matrix))
    for label in (0, 1):
        rows = np.flatnonzero(matrix.labels == label)
        order[rows] = np.roll(rows, 1)
    return {**matrices, "test": replace(matrix, sequences=matrix.sequences.take(order))}


def _last_rows_lost(matrices: Matrices, *_: Any) -> Matrices:
    matrix = matrices["test"]
    return {**matrices, "test": replace(matrix, features=matrix.features[:-5], feature_ids=matrix.feature_ids[:-5])}


def _raw(splits: Splits, split: Split, encoder: Encoder) -> npt.NDArray[np.float64]:
    return review_features(encoder.encode(splits[split].tokens), encoder.num_words)


def _refit_on_test(matrices: Matrices, splits: Splits, encoder: Encoder, _: Scaler) -> Matrices:
    raw = _raw(splits, "test", encoder)
    own = Scaler.fit(raw)
    return {
        **matrices, "test": replace(matrices["test"], features=own.transform(raw), scaler_digest=own.digest)
    }  # fmt: skip


def _fit_on_everything(matrices: Matrices, splits: Splits, encoder: Encoder, _: Scaler) -> Matrices:
    raw: dict[Split, npt.NDArray[np.float64]] = {split: _raw(splits, split, encoder) for split in splits}
    own = Scaler.fit(np.concatenate(list(raw.values())))
    return {
        split: replace(matrix, features=own.transform(raw[split]), scaler_digest=own.digest)
        for split, matrix in matrices.items()
    }


def _scaled_twice(matrices: Matrices, _: Splits, __: Encoder, scaler: Scaler) -> Matrices:
    matrix = matrices["test"]
    return {**matrices, "test": replace(matrix, features=scaler.transform(matrix.features.astype(np.float64)))}


def _not_scaled(matrices: Matrices, splits: Splits, encoder: Encoder, _: Scaler) -> Matrices:
    raw = _raw(splits, "test", encoder).astype(np.float32)
    return {**matrices, "test": replace(matrices["test"], features=raw)}


def _cut_at_the_end(matrices: Matrices, splits: Splits, encoder: Encoder, _: Scaler) -> Matrices:
    """Test reviews keep their beginning, training reviews their end."""
    whole = encoder.encode(splits["test"].tokens)
    lengths = np.minimum(whole.lengths, encoder.max_length)
    within = np.arange(len(whole.values)) - np.repeat(whole.offsets[:-1], whole.lengths)
    kept = whole.values[within < encoder.max_length]
    return {**matrices, "test": replace(matrices["test"], sequences=Sequences.from_lengths(kept, lengths))}


def _other_encoder(matrices: Matrices, splits: Splits, encoder: Encoder, _: Scaler) -> Matrices:
    """Test reviews are encoded without the offset of 3 for the special indices."""
    other = replace(encoder, index_from=0)
    sequences = other.truncate(other.encode(splits["test"].tokens))
    return {**matrices, "test": replace(matrices["test"], sequences=sequences, encoder_digest=other.digest)}


# The model, its training, its scores and its bundle.


def _in_training(monkeypatch: pytest.MonkeyPatch, name: str, broken: Any) -> None:
    """Put a fault into what trains, in this process: a process of its own would not see it."""
    monkeypatch.setattr("tasks.train.train_in_child", train_here)
    monkeypatch.setattr(name, broken)


def _without_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    def embedding(*given: Any, **named: Any) -> Any:
        return keras.layers.Embedding(*given, **{**named, "mask_zero": False})

    class Layers:
        def __getattr__(self, name: str) -> Any:
            return embedding if name == "Embedding" else getattr(keras.layers, name)

    _in_training(monkeypatch, "tasks.models.baseline_avgpool.layers", Layers())


def _weights(change: Callable[[list[Any]], list[Any]]) -> Inject:
    """Change the weights of a trained model before it is saved."""

    def inject(monkeypatch: pytest.MonkeyPatch) -> None:
        from tasks.training import loop

        train = loop.train_model

        def broken(*given: Any, **named: Any) -> Any:
            trained = train(*given, **named)
            trained.model.set_weights(change(trained.model.get_weights()))
            return trained

        _in_training(monkeypatch, "tasks.training.loop.train_model", broken)

    return inject


def _nan(weights: list[Any]) -> list[Any]:
    return [*weights[:-1], np.full_like(weights[-1], np.nan)]


def _zero(weights: list[Any]) -> list[Any]:
    return [np.zeros_like(weight) for weight in weights]


def _biased(weights: list[Any]) -> list[Any]:
    return [*weights[:-1], weights[-1] + 6.0]


def _turned_about(weights: list[Any]) -> list[Any]:
    """The last layer's signs are turned: the model says the probability of the wrong class."""
    return [*weights[:-2], -weights[-2], -weights[-1]]


def _in_predict(change: Callable[..., Any]) -> Inject:
    def inject(monkeypatch: pytest.MonkeyPatch) -> None:
        from tasks.features import batching

        predict = batching.predict

        def broken(model: Any, sequences: Sequences, *given: Any, **named: Any) -> Any:
            return change(sequences, predict(model, sequences, *given, **named))

        _in_training(monkeypatch, "tasks.features.batching.predict", broken)
        monkeypatch.setattr("tasks.evaluation.fresh_process.FreshProcess.predict", _predict_here)

    return inject


def _predict_here(_: FreshProcess, bundles: Path, digest: str, *given: Any) -> Any:
    """What a fresh process says, said in this one, so that it has the same fault."""
    from tasks.features import batching

    return batching.predict(load_bundle(bundles, digest).model, *given)


def _in_order_of_length(sequences: Sequences, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The batches are of similar length, and nobody put their answers back into the order of the rows."""
    return probabilities[np.argsort(sequences.lengths, kind="stable")]


def _in_publication(change: Callable[[Path, dict[str, Any]], None]) -> Inject:
    """Change what goes into the bundle, after the model was scored."""

    def inject(monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(folder: Path, **parts: Any) -> str:
            change(folder, parts)
            return publish_bundle(folder, **parts)

        monkeypatch.setattr("tasks.evaluate.publish_bundle", broken)

    return inject


def _another_scaler(_: Path, parts: dict[str, Any]) -> None:
    parts["scaler"] = {**parts["scaler"], "mean": [2 * value for value in parts["scaler"]["mean"]]}


def _another_encoder(_: Path, parts: dict[str, Any]) -> None:
    parts["encoder"] = {**parts["encoder"], "index_from": parts["encoder"]["index_from"] + 1}


def _another_model(folder: Path, _: dict[str, Any]) -> None:
    """The file holds the weights of the last epoch but one, as it were: not those that were scored."""
    model = load_model(folder / MODEL_FILE)
    model.set_weights([weight * 1.05 for weight in model.get_weights()])
    model.save(folder / MODEL_FILE)


def _validation_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is trained on the validation rows, so that validation says nothing of test."""

    def broken(root: Path, of: str, split: Split) -> Matrix:
        return read_matrix(root, of, "validation" if split == "train" else split)

    _in_training(monkeypatch, "tasks.training.job.read_matrix", broken)


def _unknown_labels(of: list[Review]) -> list[Review]:
    """An export in which a tenth of the labels are spelt in another way."""
    return [replace(review, label="good") if index % 10 == 0 else review for index, review in enumerate(of)]


def _words_of_another_week(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published vocabulary is not the one that the model was trained with: the same words by other ranks."""
    _in_texts(lambda of: of)(monkeypatch)

    vocabulary = StoredSnapshot.vocabulary

    def broken(stored: StoredSnapshot) -> dict[str, Any]:
        read = vocabulary(stored)
        assert read is not None
        return {**read, "words": read["words"][::-1]}

    _in_evaluation(monkeypatch, "vocabulary", broken)


def _split_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever scores splits text into words otherwise than whoever trained."""
    _in_texts(lambda of: of)(monkeypatch)
    raw = StoredSnapshot.raw

    def broken(stored: StoredSnapshot, split: Split) -> Any:
        return pc.replace_substring(raw(stored, split), "e", "é")

    _in_evaluation(monkeypatch, "raw", broken)


def _in_evaluation(monkeypatch: pytest.MonkeyPatch, name: str, broken: Callable[..., Any]) -> None:
    """Whoever evaluates reads the snapshot through a method that is broken."""

    class Broken(StoredSnapshot):
        pass

    setattr(Broken, name, broken)
    monkeypatch.setattr("tasks.evaluate.open_snapshot", lambda *given: Broken(open_snapshot(*given).folder))


def _nothing(_: pytest.MonkeyPatch) -> None:
    """The options alone are the fault."""


def _remove(bundles: Path) -> None:
    for folder in bundles.iterdir():
        shutil.rmtree(folder)


def _flip_bit(bundles: Path) -> None:
    (file,) = bundles.glob("*/model.keras")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


# The averaging model has no features; to be told, a fault of the scaler needs the other one.
_FEW_ADVANCED = {
    "models": ["advanced_bilstm_features"],
    "epochs": 1,
    "synthetic": {"num_train": 600, "num_test": 300},
}
# That the labels of train say nothing, rather than little, takes more rows to be sure of.
_MANY = {"synthetic": {"num_train": 6400}}
_GIVEN: Stage = "before training"
_LATER: Stage = "before promotion"

FAULTS = (
    Fault("labels of test shuffled", "probe", _GIVEN, _in_source(_test(_shuffled_labels))),
    Fault(
        "classes of test swapped", "probe", _GIVEN, _in_source(_test(lambda of: _relabel(of, 1 - of.labels)))
    ),
    Fault("labels of train shuffled", "probe", _GIVEN, _in_source(_train(_shuffled_labels)), _MANY),
    Fault(
        "labels of the training file moved by one row", "probe", _GIVEN,
        _in_source(_train(lambda of: _relabel(of, np.roll(of.labels, 1)))),
    ),
    Fault("labels of validation shuffled", "probe", _GIVEN, _in_splits(_validation_labels_shuffled)),
    Fault("words of test numbered by another vocabulary", "split", _GIVEN, _in_source(_test(_other_vocabulary))),
    Fault("validation cut from the end of a file sorted by label", "split", _GIVEN, _sorted_tail(_by_label)),
    Fault("validation cut from the end of a file sorted by length", "split", _GIVEN, _sorted_tail(_by_length)),
    Fault("validation cut from the end of an unsorted file", "split", _GIVEN, _in_splits(_cut_tail)),
    Fault("test has one class only", "label balance", _GIVEN, _in_splits(_keep_class("test", 1, 0))),
    Fault("validation almost all of one class", "label balance", _GIVEN, _in_splits(_keep_class("validation", 0, 5))),
    Fault(
        "test reviews are in train too", "leakage", _GIVEN,
        _in_source(lambda of: replace(of, train=_with_rows(of.train, _first(of.test, 200)))),
    ),
    Fault(
        "test reviews are in train with a word changed", "leakage", _GIVEN,
        _in_source(lambda of: replace(of, train=_with_rows(of.train, _nearly_same(_first(of.test, 200))))),
    ),
    Fault(
        "training reviews twice in the file", "leakage", _GIVEN,
        _in_source(_train(lambda of: _with_rows(of, _first(of, len(of.labels) // 3)))),
    ),
    Fault("validation repeats training reviews", "leakage", _GIVEN, _in_splits(_train_again_in_validation)),
    Fault(
        "the same reviews with both labels", "leakage", _GIVEN,
        _in_source(_train(lambda of: _with_rows(of, _relabel(_first(of, 150), 1 - of.labels[:150])))),
    ),
    Fault("reviews lost their text", "degenerate reviews", _GIVEN, _in_source(_both(lambda of: _emptied(of, 0.05)))),
    Fault("reviews are one word", "degenerate reviews", _GIVEN, _in_source(_both(lambda of: _one_word(of, 0.05)))),
    Fault(
        "word numbers below one", "degenerate reviews", _GIVEN,
        _in_source(_test(lambda of: replace(of, tokens=_map_values(of.tokens, lambda v: np.where(v == 40, -9, v))))),
    ),
    Fault("labels of a tenth of the file unknown", "contents", _GIVEN, _in_texts(_unknown_labels)),
    Fault("half of the words of test unknown", "degenerate reviews", _GIVEN, _in_source(_test(_unknown_words))),
    Fault("a word in each review gives its label away", "label association", _GIVEN, _in_source(_both(_tagged))),
    Fault("the length of a review gives its label away", "label association", _GIVEN, _in_source(_both(_stretched))),
    Fault(
        "features of test in another order", "train/test alignment", _GIVEN,
        _in_matrices(_test_features_in_another_order),
    ),
    Fault(
        "sequences of test in another order", "train/test alignment", _GIVEN,
        _in_matrices(_test_sequences_in_another_order),
    ),
    Fault("labels of test moved by one row", "train/test alignment", _GIVEN, _in_matrices(_labels_shifted("test"))),
    Fault("labels of train moved by one row", "train/test alignment", _GIVEN, _in_matrices(_labels_shifted("train"))),
    Fault(
        "features of another review of the same class", "train/test alignment", _GIVEN,
        _in_matrices(_features_of_the_same_class),
    ),
    Fault(
        "sequences of another review of the same class", "train/test alignment", _GIVEN,
        _in_matrices(_sequences_of_the_same_class),
    ),
    Fault("features of test end five rows early", "train/test alignment", _GIVEN, _in_matrices(_last_rows_lost)),
    Fault("test cut at the end, train at the beginning", "train/test alignment", _GIVEN, _in_matrices(_cut_at_the_end)),
    Fault("scaler fit anew on test", "consistent scaler", _GIVEN, _in_matrices(_refit_on_test)),
    Fault("scaler fit on train and test together", "consistent scaler", _GIVEN, _in_matrices(_fit_on_everything)),
    Fault("test scaled twice", "consistent scaler", _GIVEN, _in_matrices(_scaled_twice)),
    Fault("test not scaled", "consistent scaler", _GIVEN, _in_matrices(_not_scaled)),
    Fault("test encoded with other constants", "consistent scaler", _GIVEN, _in_matrices(_other_encoder)),
    Fault("padding not masked", "padding", _LATER, _without_mask),
    Fault("one epoch only", "convergence", _LATER, _nothing, {"epochs": 1}),
    Fault("learning rate far too large", "convergence", _LATER, _nothing, {"training": {"learning_rate": 0.02}}),
    Fault("a weight became NaN", "degenerate predictions", _LATER, _weights(_nan)),
    Fault("all weights zero", "degenerate predictions", _LATER, _weights(_zero)),
    Fault("threshold does not fit the output", "degenerate predictions", _LATER, _weights(_biased)),
    Fault("output is the probability of the wrong class", "degenerate predictions", _LATER, _weights(_turned_about)),
    Fault("predictions come in the order of the batches", "row alignment", _LATER, _in_predict(_in_order_of_length)),
    Fault("bundle holds another encoder", "reload", _LATER, _in_publication(_another_encoder)),
    Fault("bundle holds other weights", "reload", _LATER, _in_publication(_another_model)),
    Fault("bundle holds the vocabulary of another week", "reload", _LATER, _words_of_another_week),
    Fault("texts are split into words otherwise where they are scored", "reload", _LATER, _split_otherwise),
    Fault("bundle holds another scaler", "reload", _LATER, _in_publication(_another_scaler), _FEW_ADVANCED),
    Fault("trained on the validation rows", "validation agrees with test", _LATER, _validation_in_training),
    Fault(
        "classes of train and test swapped alike, after a champion", "better than the champion", _LATER,
        _in_source(_both(lambda of: _relabel(of, 1 - of.labels))), damage=lambda _: None,
    ),
    Fault("bundle of the champion gone", "better than the champion", _LATER, _nothing, damage=_remove),
    Fault("bundle of the champion changed by a bit", "better than the champion", _LATER, _nothing, damage=_flip_bit),
)  # fmt: skip
