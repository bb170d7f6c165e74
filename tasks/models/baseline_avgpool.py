"""The notebook's first model: the average of the words' embeddings, blind to their order."""

from __future__ import annotations

import keras
from keras import layers


def build_baseline_avgpool(num_words: int) -> keras.Model:
    """Embedding, masked average, dense: 6,408,321 parameters at 50,000 words.

    Args:
        num_words: Rows of the embedding.
    """
    seq = keras.Input((None,), dtype="int32", name="seq")
    x = layers.Embedding(num_words, 128, mask_zero=True, name="emb")(seq)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dropout(0.5)(x)
    probability = layers.Dense(1, activation="sigmoid")(x)
    return keras.Model({"seq": seq}, probability, name="baseline_avgpool")
