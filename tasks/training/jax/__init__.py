"""What trains the same models faster with JAX on a GPU: a BiLSTM.

The one package that names JAX; whoever imports it has found that Keras runs on it.
"""
