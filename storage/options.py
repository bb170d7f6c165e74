"""What a run is configured with: frozen, validated groups of options, every one with a default.

They are written to the store with each run and rendered as a grouped form by Prefect. Unknown keys are refused.
What no user changes (layer sizes, number of features) is not an option.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from storage.errors import OptionError

ModelName = Literal["baseline_avgpool", "advanced_bilstm_features"]
MODEL_NAMES: tuple[ModelName, ...] = ("baseline_avgpool", "advanced_bilstm_features")


class OptionGroup(BaseModel):
    """Base of the groups: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DataOptions(OptionGroup):
    """How a source becomes a snapshot."""

    validation_share: float = Field(0.1, gt=0, lt=0.5)
    """Share of the training rows set aside for validation, stratified by label."""
    split_seed: int = Field(2025, ge=0, lt=2**32)
    """Seed of the validation split and of `sample_size`; fixed, so that the same reviews give the same snapshot."""
    max_uncompressed_bytes: int = Field(2**30, ge=1)
    """Largest size in bytes that a compressed source may unpack to."""


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
    """Bounds of the checks on the data."""

    min_class_share: float = Field(0.2, ge=0, le=0.5)
    """A split in which a class has a smaller share fails."""


class TrainingOptions(OptionGroup):
    """The training loop."""

    batch_size: int = Field(256, ge=1, le=65_536)
    """Reviews per batch."""
    learning_rate: float = Field(1e-3, gt=0, le=1)
    """Adam's step size at the start."""
    clip_norm: float = Field(1.0, gt=0)
    """Largest norm of a step's gradient: it steadies the recurrent model."""
    early_stopping_patience: int = Field(2, ge=0, le=100)
    """Epochs without a better validation loss before training stops."""
    plateau_patience: int = Field(1, ge=0, le=100)
    """Epochs without a better validation loss before the learning rate is halved."""


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
    comparison_alpha: float = Field(0.05, gt=0, lt=0.5)
    """Error spent on all comparisons with champions on one test set together."""


class RunOptions(OptionGroup):
    """Everything that decides what a run does."""

    source: str = "auto"
    """`auto`, `imdb`, `synthetic`, or the path of an .npz file in Keras' IMDB layout."""
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
    data: DataOptions = DataOptions()
    synthetic: SyntheticOptions = SyntheticOptions()
    features: FeatureOptions = FeatureOptions()
    checks: CheckOptions = CheckOptions()
    training: TrainingOptions = TrainingOptions()
    gates: GateOptions = GateOptions()

    @field_validator("models")
    @classmethod
    def _each_once(cls, models: tuple[ModelName, ...]) -> tuple[ModelName, ...]:
        if len(set(models)) != len(models):
            raise ValueError("each model may be named once")
        return models

    @classmethod
    def parse(cls, **values: Any) -> RunOptions:
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
