"""One algorithm box per file. Adding a trainer: a file here and a line in TRAINERS."""

from gantrain.trainer import Trainer
from gantrain.trainers.classifier import Classifier
from gantrain.trainers.cogan import CoGAN
from gantrain.trainers.cut import CUT
from gantrain.trainers.cyclegan import CycleGAN
from gantrain.trainers.gan import GAN
from gantrain.trainers.pix2pix import Pix2Pix
from gantrain.trainers.scogan import SCoGAN
from gantrain.trainers.segmenter import Segmenter

TRAINERS: dict[str, type[Trainer]] = {
    "gan": GAN,
    "cogan": CoGAN,
    "scogan": SCoGAN,
    "pix2pix": Pix2Pix,
    "cyclegan": CycleGAN,
    "cut": CUT,
    "classifier": Classifier,
    "segmenter": Segmenter,
}
