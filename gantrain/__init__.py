"""gantrain: coupled and image-to-image GANs in TensorFlow and Keras 3."""
