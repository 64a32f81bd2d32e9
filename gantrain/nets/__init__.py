"""Networks: tables of rows, and the one builder that makes k coupled networks from them.

generators, discriminators = build_gan("cogan32", 2, (32, 32, 3), shared_layers=4, seed=0)
image, features = generate(generators[0], z, training=False)

generator = build_translator("unet", 256, 3, 3, dropout=0.5, seed=0)
discriminator = build_patch_discriminator("70", 3 + 3, size=256, seed=0)
logits = discriminator(concat([x, generator(x, training=True)], -1), training=True)
"""

from gantrain.nets.blocks import Row
from gantrain.nets.build import (
    Generated,
    applied,
    build_classifier,
    build_encoder,
    build_gan,
    build_heads,
    build_patch_discriminator,
    build_projection,
    build_translator,
    described,
    generate,
    image_model,
    with_features,
)
from gantrain.nets.classifiers import CLASSIFIERS, ClassifierTable
from gantrain.nets.gans import NETS, GANTable, gan_at
from gantrain.nets.options import (
    Direction,
    DiscriminatorNets,
    ImageLayers,
    NoiseNets,
    PatchNets,
    Sharing,
    TranslatorNets,
    WeightInit,
    Width,
)
from gantrain.nets.patch import PATCHES, Patch, largest_patch, patch_at, receptive_field
from gantrain.nets.portable import portable
from gantrain.nets.translation import TRANSLATORS, UPSAMPLES, TranslatorTable, multiple

__all__ = [
    "CLASSIFIERS",
    "NETS",
    "PATCHES",
    "TRANSLATORS",
    "UPSAMPLES",
    "ClassifierTable",
    "Direction",
    "DiscriminatorNets",
    "GANTable",
    "Generated",
    "ImageLayers",
    "NoiseNets",
    "Patch",
    "PatchNets",
    "Row",
    "Sharing",
    "TranslatorNets",
    "TranslatorTable",
    "WeightInit",
    "Width",
    "applied",
    "build_classifier",
    "build_encoder",
    "build_gan",
    "build_heads",
    "build_patch_discriminator",
    "build_projection",
    "build_translator",
    "described",
    "gan_at",
    "generate",
    "image_model",
    "largest_patch",
    "multiple",
    "patch_at",
    "portable",
    "receptive_field",
    "with_features",
]
