"""One algorithm box per file. Adding a trainer: a file here and a line in TRAINERS."""

from gantrain.trainers.classifier import Classifier
from gantrain.trainers.cogan import CoGAN
from gantrain.trainers.gan import GAN
from gantrain.trainers.scogan import SCoGAN

TRAINERS = {"gan": GAN, "cogan": CoGAN, "scogan": SCoGAN, "classifier": Classifier}
