"""What trains the same models faster with TensorFlow on a processor: a BiLSTM and an Adam.

The one package that names TensorFlow; whoever imports it has found that Keras runs on it.
"""
