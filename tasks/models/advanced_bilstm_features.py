"""The notebook's second model: two bidirectional LSTMs over the words, beside the review's features."""

from __future__ import annotations

import keras
from keras import layers


def build_advanced_bilstm_features(num_words: int, num_features: int) -> keras.Model:
    """BiLSTM over tokens plus dense features: 6,550,817 parameters at 50,000 words and 6 features, 64 not trainable.

    The LSTMs keep the defaults that cuDNN's kernels ask for (tanh, sigmoid, no recurrent dropout, not unrolled), and
    the padding is on the right, so the masks do not rule these kernels out.

    Args:
        num_words: Rows of the embedding.
        num_features: Width of `feat`.
    """
    seq = keras.Input((None,), dtype="int32", name="seq")
    x = layers.Embedding(num_words, 128, mask_zero=True, name="emb")(seq)
    x = layers.SpatialDropout1D(0.3)(x)
    x = layers.Bidirectional(layers.LSTM(64, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(32))(x)
    x = layers.Dense(64, activation="relu")(x)

    feat = keras.Input((num_features,), dtype="float32", name="feat")
    y = layers.Dense(32, activation="relu")(feat)
    y = layers.BatchNormalization()(y)
    y = layers.Dropout(0.5)(y)

    z = layers.Concatenate()([x, y])
    z = layers.Dense(64, activation="relu")(z)
    z = layers.Dropout(0.5)(z)
    probability = layers.Dense(1, activation="sigmoid")(z)
    return keras.Model({"seq": seq, "feat": feat}, probability, name="advanced_bilstm_features")
