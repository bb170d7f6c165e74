"""What a run is configured with: frozen, validated groups of options, every one with a default.

They are written to the store with each run and rendered as a grouped form by Prefect. Unknown keys are refused.
What no user changes (layer sizes, number of features) is not an option.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from storage.errors import OptionError
from storage.records import MODEL_NAMES, CheckAction, ModelName

Tokenization = Literal["words", "keras"]
Comparing = Literal["superiority", "non-inferiority"]
Precision = Literal["auto", "float32", "bfloat16"]


class OptionGroup(BaseModel):
    """Base of the groups: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class DataOptions(OptionGroup):
    """How a source becomes a snapshot."""

    validation_share: float = Field(0.1, gt=0, lt=0.5)
    """Share of the training rows set aside for validation."""
    test_share: float = Field(0.2, gt=0, lt=1)
    """Share of the rows set aside for test, where a source of texts has no split of its own."""
    split_seed: int = Field(2025, ge=0, lt=2**32)
    """Seed of the splits and of `sample_size`; fixed, so that the same reviews give the same snapshot."""
    tokenization: Tokenization = "words"
    """How text becomes words: `words` takes runs of letters and digits, `keras` does as the notebook did."""
    vocabulary_size: int = Field(50_000, ge=10, le=1_000_000)
    """Most words of a vocabulary, which is built from the training rows of a source of texts."""
    max_uncompressed_bytes: int = Field(2**30, ge=1)
    """Largest size in bytes that a source may have, unpacked."""
    max_rows: int = Field(5_000_000, ge=1)
    """Most rows that a source of texts may have."""
    max_text_length: int = Field(100_000, ge=1)
    """Longest text in characters; a longer one is refused."""


class ColumnOptions(OptionGroup):
    """How to read labelled texts: which column is which, and what a label means."""

    text: str = Field("text", min_length=1)
    """Column of the reviews."""
    label: str = Field("label", min_length=1)
    """Column of the labels."""
    split: str = Field("split", min_length=1)
    """Column of the split: train, validation or test. It may be missing from the source."""
    id: str = Field("id", min_length=1)
    """Column of the reviews' own ids. It may be missing."""
    rating: str = Field("rating", min_length=1)
    """Column of the ratings. It may be missing."""
    negative_labels: tuple[str, ...] = ("0", "neg", "negative", "false")
    """What stands for a negative review, in any case."""
    positive_labels: tuple[str, ...] = ("1", "pos", "positive", "true")
    """What stands for a positive review, in any case."""
    label_from: Literal["label", "rating"] = "label"
    """Whether labels are read, or made from the ratings."""
    negative_ratings_to: float = 4.0
    """Ratings up to this one are negative."""
    positive_ratings_from: float = 7.0
    """Ratings from this one on are positive; those between are left out."""

    @field_validator("negative_labels", "positive_labels", mode="before")
    @classmethod
    def _list_of_words(cls, value: Any) -> Any:
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(part.strip().casefold() if isinstance(part, str) else part for part in parts)

    @model_validator(mode="after")
    def _each_label_means_one_thing(self) -> Self:
        both = sorted(set(self.negative_labels) & set(self.positive_labels))
        if both:
            raise ValueError(f"{both[0]!r} cannot stand for a negative and for a positive review")
        if not self.negative_labels or not self.positive_labels:
            raise ValueError("each of negative_labels and positive_labels needs a word")
        if self.negative_ratings_to >= self.positive_ratings_from:
            raise ValueError("negative_ratings_to must be below positive_ratings_from")
        return self


class SyntheticOptions(OptionGroup):
    """The embedded synthetic corpus."""

    num_train: int = Field(6400, ge=20, le=1_000_000)
    """Training reviews, validation included."""
    num_test: int = Field(4000, ge=20, le=1_000_000)
    """Test reviews."""
    label_noise: float = Field(0.03, ge=0, lt=0.5)
    """Share of labels flipped at random: one minus it is the best accuracy that any model can have."""
    seed: int = Field(2025, ge=0, lt=2**32)
    """Seed of the corpus."""


class FeatureOptions(OptionGroup):
    """Encoding, as in Keras' `load_data`, and padding."""

    num_words: int = Field(50_000, ge=10, le=1_000_000)
    """Indices from here on become out-of-vocabulary."""
    start_index: int = Field(1, ge=1)
    """Put before every review."""
    oov_index: int = Field(2, ge=1)
    """Stands for words that are out of the vocabulary."""
    index_from: int = Field(3, ge=0)
    """Added to every word's rank."""
    max_length_percentile: float = Field(90.0, gt=0, le=100)
    """Reviews keep their last tokens, up to this percentile of the training lengths."""

    @model_validator(mode="after")
    def _inside_the_vocabulary(self) -> Self:
        if max(self.start_index, self.oov_index) >= self.num_words:
            raise ValueError("start_index and oov_index must be below num_words")
        return self


class CheckOptions(OptionGroup):
    """The checks of the data and of the trained models: what a failure does, and the bounds.

    `fail` stops the run before training, or the model's promotion; `warn` lets it go on; `off` does not measure. The
    store keeps which it was. Effect sizes are Cliff's delta: 0 is none, 1 is complete separation.
    """

    contents: CheckAction = "fail"
    """Nearly all rows of the source can be used."""
    label_balance: CheckAction = "fail"
    """Each split has enough of both classes."""
    split: CheckAction = "fail"
    """Train, validation and test are random parts of one whole."""
    alignment: CheckAction = "fail"
    """Sequences, features and labels at one place are of the same review."""
    consistent_scaler: CheckAction = "fail"
    """One scaler, one encoder, fit on the training rows."""
    leakage: CheckAction = "fail"
    """No text of one split stands in another one."""
    degenerate_reviews: CheckAction = "fail"
    """Reviews have words, and words that the vocabulary knows."""
    label_association: CheckAction = "fail"
    """No single feature or word gives the label away."""
    probe: CheckAction = "fail"
    """A linear model reads test as well as it reads train."""
    drift: CheckAction = "warn"
    """The reviews are like those that the champion was trained on."""
    padding: CheckAction = "fail"
    """A trained model says the same of a review, however it is padded."""
    row_alignment: CheckAction = "fail"
    """A trained model's predictions belong to the rows that they are stored for."""
    degenerate_predictions: CheckAction = "fail"
    """A trained model's predictions are finite, spread, and cut at the right threshold."""
    convergence: CheckAction = "fail"
    """A model was trained long enough, and not too fast."""
    reload: CheckAction = "fail"
    """The published bundle gives the same probabilities in a fresh process."""

    max_refused_share: float = Field(0.05, ge=0, lt=1)
    """Largest share of the source's rows that may be refused: without text, with an unknown label, not readable."""
    min_class_share: float = Field(0.2, ge=0, le=0.5)
    """A split in which a class has a smaller share fails."""
    max_split_effect: float = Field(0.2, gt=0, le=1)
    """Largest effect size of place in the file, length or label between train and another split."""
    max_leaked_share: float = Field(0.02, ge=0, le=1)
    """Largest share of a split's rows whose text, or nearly so, is in another split too."""
    max_repeated_share: float = Field(0.05, ge=0, le=1)
    """Largest share of a split's rows that repeat another row of it."""
    max_contradicting_share: float = Field(0.01, ge=0, le=1)
    """Largest share of a split's rows whose text is there with the other label too."""
    near_duplicate_similarity: float = Field(0.8, ge=0.5, le=1)
    """Share of common word sequences (Jaccard) from which on two reviews count as nearly the same."""
    max_degenerate_share: float = Field(0.01, ge=0, le=1)
    """Largest share of a split's rows that are empty or little but one word repeated."""
    max_oov_share: float = Field(0.3, ge=0, le=1)
    """Largest share of a split's words that are out of the vocabulary."""
    max_association: float = Field(0.95, gt=0.5, le=1)
    """Largest AUC with which one feature, or one word alone, may predict the label."""
    max_probe_gap: float = Field(0.05, ge=0, le=1)
    """The probe's accuracy on train, cross-validated, may differ from that on test by this, beyond sampling error."""
    max_drift_effect: float = Field(0.3, gt=0, le=1)
    """Largest effect size between these reviews and the champion's: lengths, words, label share."""
    max_drift_auc: float = Field(0.75, gt=0.5, le=1)
    """Largest AUC with which a linear model may tell these reviews from the champion's."""
    padding_tolerance: float = Field(1e-4, gt=0)
    """Largest difference of a logit between paddings."""
    reload_tolerance: float = Field(1e-4, gt=0)
    """Largest difference of a probability between the trained model and its published bundle."""


class TrainingOptions(OptionGroup):
    """The training loop."""

    batch_size: int = Field(0, ge=0, le=65_536)
    """Reviews per batch; 0 takes 256, and up to 1,024 for the BiLSTM with JAX on a GPU, which 256 leave idle."""
    learning_rate: float = Field(1e-3, gt=0, le=1)
    """Adam's step size at the start."""
    clip_norm: float = Field(1.0, gt=0)
    """Largest norm of a step's gradient: it steadies the recurrent model."""
    early_stopping_patience: int = Field(2, ge=0, le=100)
    """Epochs without a better validation loss before training stops."""
    plateau_patience: int = Field(1, ge=0, le=100)
    """Epochs without a better validation loss before the learning rate is halved."""
    precision: Precision = "auto"
    """What products are rounded to while training: with `auto` to float32 on a processor, to tfloat32 on a GPU.
    `bfloat16` is faster on a processor that multiplies it natively, but was not shown to be as accurate. Weights, and
    the saved model, are float32."""
    at_once: bool = False
    """Train all models at the same time, each in its own process: needs memory and cores, or a GPU, for all of them."""
    timeout_minutes: float = Field(0.0, ge=0)
    """Minutes after which the training of a model is stopped, and fails; 0 is never."""

    def what_decides(self) -> dict[str, Any]:
        """The options that can change the weights, as plain JSON."""
        return self.model_dump(mode="json", exclude={"at_once", "timeout_minutes"})


class GateOptions(OptionGroup):
    """Bounds of the promotion rule. Margins are in units of the metric (0.05 is five points)."""

    chance_alpha: float = Field(0.001, gt=0, lt=0.5)
    """One-sided error of the lower bounds on accuracy, AUC and recall."""
    accuracy_margin: float = Field(0.05, ge=0, le=0.5)
    """The accuracy's lower bound must exceed the majority class's share by this much."""
    auc_margin: float = Field(0.05, ge=0, le=0.5)
    """The AUC's lower bound must exceed 0.5 by this much."""
    inversion_alpha: float = Field(0.01, gt=0, lt=0.5)
    """Two-sided error at which an accuracy below chance is called inverted or misaligned."""
    recall_floor: float = Field(0.5, ge=0, le=1)
    """Each class's recall must have a lower bound above this."""
    validation_gap_margin: float = Field(0.03, ge=0, le=1)
    """Validation accuracy may exceed test accuracy by no more than this, beyond sampling error."""
    comparison: Comparing = "superiority"
    """What a challenger must show: that it is better than the champion, or only that it is not worse by a margin."""
    comparison_alpha: float = Field(0.05, gt=0, lt=0.5)
    """Error spent on all comparisons with champions on one test set together."""
    accuracy_loss_margin: float = Field(0.005, ge=0, le=0.5)
    """Accuracy that a challenger may lose where only non-inferiority is asked for."""
    auc_loss_margin: float = Field(0.005, ge=0, le=0.5)
    """AUC that a challenger may lose against the champion."""
    beat_probe: bool = False
    """Reject a model whose test accuracy is not above that of the probe, a linear model on word counts."""
    replace_unscorable_champion: bool = False
    """Let a candidate that passes all other gates replace a champion that cannot be scored, or that contradicts the
    labels; recorded as forced."""


class ApprovalOptions(OptionGroup):
    """Whether a person has the last word on a promotion. It makes no other model, and no gate easier to pass."""

    required: bool = False
    """A person must approve a promotion, in Prefect's UI, before it takes effect."""
    timeout_minutes: int = Field(24 * 60, ge=1, le=30 * 24 * 60)
    """How long the run waits for that person; without an answer, nothing is promoted."""


class MonitorOptions(OptionGroup):
    """When a champion has degraded. What drift is has its bounds among those of the checks."""

    max_accuracy_loss: float = Field(0.02, ge=0, lt=1)
    """Accuracy that the champion may lose since its promotion, beyond sampling error."""
    alpha: float = Field(0.01, gt=0, lt=0.5)
    """One-sided error of saying that it has lost more than that."""
    min_rows: int = Field(100, ge=1)
    """New labelled rows below which nothing is said."""
    alarm_on_drift: bool = False
    """Raise the alarm for other reviews or other predictions too, even where the accuracy holds."""


class RunOptions(OptionGroup):
    """Everything that decides what a run does."""

    source: str = "auto"
    """`auto`, `imdb`, `synthetic`, a name from the file of sources, or a path: .csv, .tsv, .jsonl, .parquet, a folder
    like aclImdb, or an .npz file in Keras' IMDB layout. A deployment takes names only."""
    append: tuple[str, ...] = ()
    """More sources of texts, names or paths, whose rows are added to the first one's."""
    models: tuple[ModelName, ...] = Field(MODEL_NAMES, min_length=1)
    """Models to train."""
    epochs: int = Field(12, ge=1, le=1000)
    """Most epochs a model may train; early stopping usually ends sooner."""
    seed: int = Field(7, ge=0, lt=2**32)
    """Seed of initial weights, batch order and dropout."""
    sample_size: int = Field(0, ge=0)
    """Use only this many reviews of train and of test (0: all). Such a run has a line of its own."""
    dry_run: bool = False
    """Decide, record the decision, promote nothing."""
    force: bool = False
    """Train anew, even where nothing has changed since a finished run."""
    data: DataOptions = DataOptions()
    columns: ColumnOptions = ColumnOptions()
    synthetic: SyntheticOptions = SyntheticOptions()
    features: FeatureOptions = FeatureOptions()
    checks: CheckOptions = CheckOptions()
    training: TrainingOptions = TrainingOptions()
    gates: GateOptions = GateOptions()
    approval: ApprovalOptions = ApprovalOptions()

    @field_validator("models")
    @classmethod
    def _each_once(cls, models: tuple[ModelName, ...]) -> tuple[ModelName, ...]:
        if len(set(models)) != len(models):
            raise ValueError("each model may be named once")
        return models

    @classmethod
    def parse(cls, **values: Any) -> Self:
        """Validate options that a person gave.

        Raises:
            OptionError: Says in a sentence which option is wrong and what was expected.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise OptionError(
                f"option {name!r} cannot be {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}."
            ) from error


class MonitorRunOptions(RunOptions):
    """What a run of the monitor does: it reads as a retraining does, and has bounds of its own."""

    line: str = ""
    """Whose champion; empty for the only line that has one."""
    monitor: MonitorOptions = MonitorOptions()
