"""Tables of the poster, the honours project and the course project: image-to-image networks."""

from __future__ import annotations

from typing import Any

from gantrain.experiments.table import Arm, Experiment, Flags, TableRow

NUM = {"full": 500, "cpu": 40, "smoke": 4}
SMOKE = dict(
    gan_type="pix2pix",
    image_size=64,
    width=0.0625,
    steps=3,
    log_every=1,
    sample_every=3,
    checkpoint_every=3,
)
CPU = dict(gan_type="pix2pix", image_size=128, width=0.25, steps=2_000, sample_every=1_000)
FULL = dict(gan_type="pix2pix", image_size=256)
BACK = dict(direction="b2a")
STAND_IN = {"full": ("facades",), "cpu": ("facades",), "smoke": ("plan2facade",)}
FCN = tuple(
    TableRow(f"{label}{who}", f"fcn/{ceiling}{key}")
    for who, ceiling in (("", ""), (" (ground truth)", "ceiling_"))
    for label, key in (
        ("Per-pixel acc.", "pixel_accuracy"),
        ("Per-class acc.", "class_accuracy"),
        ("Class IoU", "class_iou"),
    )
)
PIXELS = (
    TableRow("L1", "pixels/l1"),
    TableRow("PSNR", "pixels/psnr"),
    TableRow("SSIM", "pixels/ssim"),
)
CYCLE = (
    TableRow("Cycle L1, domain 1", "pixels/cycle_l1/{0}"),
    TableRow("Cycle L1, domain 2", "pixels/cycle_l1/{1}"),
    *(
        TableRow(f"{score}, made of domain {n + 1}", f"pixels/{score.lower()}/from_{{{n}}}")
        for score in ("L1", "SSIM")
        for n in range(2)
    ),
)
TRUTH = (0.80, 0.26, 0.21)


def same(**options: Any) -> dict[str, Flags]:
    """Options that are the same at every scale."""
    return dict.fromkeys(("smoke", "cpu", "full"), options)


def _scales(full, cpu=None, smoke=None):
    # plan2facade has its plans first, as the paired sets of photographs have their labels last.
    return {
        "full": FULL | full,
        "cpu": CPU | (full if cpu is None else cpu),
        "smoke": SMOKE | (smoke or {}),
    }


def _scored(paper, poster=None):
    """Published numbers: pix2pix paper, the poster's own in brackets, and the ground truth."""
    cells = {}
    for i, row in enumerate(FCN[:3]):
        cells[row.label] = f"{paper[i]:.2f}" + (f" (poster {poster[i]:.2f})" if poster else "")
        cells[FCN[3 + i].label] = f"{TRUTH[i]:.2f}"
    return cells


def _words(name, slug, verdict, rows=PIXELS, **options):
    return Arm(name, slug, same(**options), {rows[0].label: verdict})


POSTER = "poster (Arvanitis, Sourlos, Talluri) and Isola et al. 2017, "
# 200 epochs of 2,975 pairs.
EPOCHS_200, EPOCHS_100 = 595_000, 297_500
CITYSCAPES = _scales(BACK | dict(steps=EPOCHS_200), BACK)
HALVED = (
    "At cpu scale images have 128 pixels and networks a quarter of the width; the FCN is trained "
    "on the real pairs of the set."
)
HONOURS = "honours project (Gao, 2020), section "
REPORTED = "The source prints verdicts, no numbers: our pixel scores stand beside its words."


def _sketch_steps(epochs):
    """Updates that see the 900 training photographs of Photo-Sketch so often, 16 at a time."""
    return epochs * 900 // 16


def _honours(section, title, arms, epochs=200):
    """200 epochs where the section prints no number: those of its section 6.1.2."""
    return Experiment(
        title,
        HONOURS + section,
        "photo_sketch",
        STAND_IN,
        _scales(dict(steps=_sketch_steps(epochs), batch_size=16), {}, {}),
        arms,
        PIXELS,
        ("pixels",),
        NUM,
        REPORTED,
        "samples",
    )


def _course(section, title, dataset, stand_ins, rows, arms):
    """Images are resized, neither cropped nor mirrored (section 4.2)."""
    cpu = dict(
        gan_type="cyclegan",
        image_size=64,
        load_size=64,
        flip=False,
        width=0.25,
        steps=2_000,
        sample_every=1_000,
        upsample="resize",
        lambda_identity=0.0,
        discriminators="one",
    )
    full = dict(
        gan_type="cyclegan",
        image_size=128,
        load_size=128,
        flip=False,
        batch_size=4,
        discriminators="one",
        lambda_identity=0.0,
        steps=120_000,
    )
    return Experiment(
        title,
        f"course project, section {section}",
        dataset,
        stand_ins,
        {
            "full": full,
            "cpu": cpu,
            "smoke": SMOKE | dict(gan_type="cyclegan", load_size=64, flip=False),
        },
        arms,
        rows,
        ("pixels",),
        NUM,
        REPORTED,
        "samples",
    )


BEST: Flags = dict(generator="unetpp", patch="global", label_smoothing=0.1, random_erasing=0.5)

EXPERIMENTS = {
    "objectives": Experiment(
        "Five objectives of pix2pix, FCN score",
        POSTER + "table 1",
        "cityscapes",
        STAND_IN,
        CITYSCAPES,
        (
            Arm(
                "L1",
                "l1",
                same(adversarial_weight=0.0),
                _scored((0.42, 0.15, 0.11), (0.70, 0.24, 0.18)),
            ),
            Arm(
                "GAN",
                "gan",
                same(l1_loss=0.0, conditional=False),
                _scored((0.22, 0.05, 0.01), (0.25, 0.08, 0.03)),
            ),
            Arm("cGAN", "cgan", same(l1_loss=0.0), _scored((0.57, 0.22, 0.16), (0.59, 0.20, 0.14))),
            Arm(
                "L1+GAN",
                "l1_gan",
                same(conditional=False),
                _scored((0.64, 0.20, 0.15), (0.65, 0.20, 0.15)),
            ),
            Arm("L1+cGAN", "l1_cgan", same(), _scored((0.66, 0.23, 0.17), (0.75, 0.24, 0.19))),
        ),
        FCN + PIXELS,
        ("fcn", "pixels"),
        NUM,
        HALVED,
    ),
    "patches": Experiment(
        "Receptive fields of the discriminator, FCN score",
        POSTER + "table 2",
        "cityscapes",
        STAND_IN,
        CITYSCAPES,
        tuple(
            Arm(
                name,
                f"patch{name}",
                {"full": dict(patch=name), "cpu": dict(patch=cpu), "smoke": dict(patch=smoke)},
                published,
            )
            for name, cpu, smoke, published in (
                ("1", "1", "1", _scored((0.39, 0.15, 0.10))),
                ("16", "16", "16", _scored((0.65, 0.21, 0.17))),
                ("70", "34", "16", _scored((0.66, 0.23, 0.17))),
                ("142", "70", "34", {FCN[0].label: "worse than 70"}),
                ("286", "global", "global", _scored((0.42, 0.16, 0.11))),
            )
        ),
        FCN + PIXELS,
        ("fcn", "pixels"),
        NUM,
        "At cpu scale images have half the side, and so have patches from 34 on: 34 stands for 70, "
        "70 for 142, the whole image for 286.",
    ),
    # The poster prints 0.006 for three times the original rate, which is 0.0002.
    "rates": Experiment(
        "Learning rates and epochs of pix2pix, FCN score",
        "poster (Arvanitis, Sourlos, Talluri), hyperparameter search",
        "cityscapes",
        STAND_IN,
        CITYSCAPES,
        (
            Arm("2e-4", "l1_cgan", same(), {FCN[0].label: "0.75"}),
            _words("6e-4", "rate_high", "intact", FCN, g_lr=6e-4, d_lr=6e-4),
            _words("6.7e-5", "rate_low", "slightly worse", FCN, g_lr=6.67e-5, d_lr=6.67e-5),
            Arm(
                "6e-4 (100 epochs)",
                "rate_high_short",
                {
                    scale: dict(g_lr=6e-4, d_lr=6e-4, steps=steps)
                    for scale, steps in (("full", EPOCHS_100), ("cpu", 1_000), ("smoke", 2))
                },
                {FCN[0].label: "slightly worse"},
            ),
        ),
        FCN + PIXELS,
        ("fcn", "pixels"),
        NUM,
        HALVED,
    ),
    "generators": _honours(
        "6.1.1",
        "Generators of pix2pix",
        (
            _words("U-Net", "unet", "as good as ResNet", generator="unet"),
            _words("without skips", "unet_noskip", "collapses", generator="unet_noskip"),
            _words("ResNet", "resnet9", "lower pixel distance than U-Net", generator="resnet9"),
            _words("U-Net++", "unetpp", "best", generator="unetpp"),
        ),
        epochs=100,
    ),
    "l1_weights": _honours(
        "6.1.2",
        "Weight of the L1 distance",
        tuple(
            _words(f"{w:g}", f"l1_weight{w:g}", verdict, l1_loss=w)
            for w, verdict in (
                (0.0, "illegible"),
                (10.0, "worse than 100"),
                (100.0, "best"),
                (200.0, "equal to 100"),
            )
        ),
    ),
    "discriminators": _honours(
        "6.1.3",
        "PatchGAN against a global discriminator",
        (
            Arm(
                "PatchGAN",
                "patch_local",
                {"full": dict(patch="70"), "cpu": dict(patch="34"), "smoke": dict(patch="16")},
                {PIXELS[0].label: "noisier"},
            ),
            _words("global", "patch_global", "better", patch="global"),
        ),
    ),
    "regularisation": _honours(
        "6.1.4 and 6.1.5",
        "Rates, losses and regularisation",
        (
            _words("plain", "plain", "noise on test images"),
            _words("least squares", "least_squares", "no difference", loss="least_squares"),
            _words("rates x 3", "rates3", "no difference", g_lr=6e-4, d_lr=6e-4),
            _words("smoothing", "smoothing", "less noise", label_smoothing=0.1),
            _words("erasing", "erasing", "less noise", random_erasing=0.5),
            Arm(
                "best model",
                "best",
                # The source stopped by hand, after 300 epochs.
                {scale: BEST | dict(early_stopping=5) for scale in ("smoke", "cpu")}
                | {"full": BEST | dict(steps=_sketch_steps(300))},
                {PIXELS[0].label: "best"},
            ),
        ),
    ),
    "cycle_weights": _course(
        "4.4",
        "Weight of the cycle",
        "cezanne2photo",
        STAND_IN,
        # No photograph belongs to a painting.
        CYCLE[:2],
        (
            _words("10", "cycle10", "works", CYCLE, lambda_cycle=10.0, g_lr=1e-4, d_lr=1e-6),
            _words("1", "cycle1", "does not work", CYCLE, lambda_cycle=1.0, g_lr=1e-4, d_lr=1e-6),
        ),
    ),
    "learning_rates": _course(
        "4.5",
        "Rates of generators and discriminators",
        "facades",
        {"smoke": ("plan2facade",)},
        CYCLE,
        (
            _words(
                "1e-4 / 1e-6",
                "cycle10",
                "both losses steady",
                CYCLE,
                lambda_cycle=10.0,
                g_lr=1e-4,
                d_lr=1e-6,
            ),
            _words(
                "1e-4 / 1e-4",
                "rates_equal",
                "discriminator wins",
                CYCLE,
                lambda_cycle=10.0,
                g_lr=1e-4,
                d_lr=1e-4,
            ),
        ),
    ),
}
