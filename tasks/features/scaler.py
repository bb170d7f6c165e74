"""The scaler of the review features: fit on the training rows only, stored as JSON, known by its hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.content import sha256_of_json

# It bounds the memory beside the features.
_ROWS_AT_A_TIME = 2**18


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of each feature; JSON keeps them to the last bit.

    scikit-learn's `StandardScaler` fits it. It is kept as numbers, not as that object, since an object could only be
    stored as a pickle.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def fit(cls, features: npt.NDArray[np.floating]) -> Scaler:
        """Fit on the training rows' features, `(rows, features)`; a constant feature gets the scale 1."""
        from sklearn.preprocessing import StandardScaler

        fitted = StandardScaler()
        for start in range(0, max(len(features), 1), _ROWS_AT_A_TIME):
            fitted.partial_fit(features[start : start + _ROWS_AT_A_TIME])
        return cls(tuple(fitted.mean_.tolist()), tuple(fitted.scale_.tolist()))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Scaler:
        """Build from what `to_json` gave."""
        return cls(tuple(value["mean"]), tuple(value["scale"]))

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be stored."""
        return {"mean": list(self.mean), "scale": list(self.scale)}

    @property
    def digest(self) -> str:
        """SHA-256 of the numbers."""
        return sha256_of_json(self.to_json())

    def transform(self, features: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Standardise, `(rows, features)`."""
        scaled = np.empty(features.shape, dtype=np.float32)
        for start in range(0, len(features), _ROWS_AT_A_TIME):
            part = slice(start, start + _ROWS_AT_A_TIME)
            scaled[part] = (features[part] - np.array(self.mean)) / np.array(self.scale)
        return scaled
