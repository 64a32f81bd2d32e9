"""Tables of "Improved Learning of Joint Distributions using Soft-Coupled GANs" (2020)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gantrain.data.datasets import find
from gantrain.data.named import ATTRIBUTES
from gantrain.data.sources import DIGITS
from gantrain.experiments.table import Arm, Experiment, Flags, Scales, TableRow
from gantrain.terms.feature import FeatureOptions

SOURCE = "thesis, "
# Weights of the couplings: published, and for the non-saturating game, whose terms are of order 1.
WEIGHTS: dict[str, Scales] = {
    "full": dict(
        SL=dict(semantic_loss=10.0),
        FR=dict(feature_loss=100.0),
        CC=dict(cycle_loss=10.0),
        PL=dict(perceptual_form="unnormalised", perceptual_loss=(1e-3, 1e-13)),
    ),
    "cpu": dict(
        SL={},
        FR=dict(feature_loss=10.0),
        CC=dict(cycle_loss=1.0),
        PL=dict(perceptual_loss=(1.0, 0.1)),
    ),
}
WEIGHTS["smoke"] = WEIGHTS["cpu"]
# DCGAN's game (section 2.6), which chapter 3 and the first experiments of chapter 4 play.
DCGAN: Flags = dict(
    loss="non_saturating",
    d_penalty="none",
    n_critic=1,
    g_lr=2e-4,
    d_lr=2e-4,
    g_beta1=0.5,
    d_beta1=0.5,
    g_beta2=0.999,
    d_beta2=0.999,
)
NOTE = (
    "At smoke and cpu scale the game is the non-saturating one, whose terms are of order one: "
    "the weights of FR and CC are a tenth of the published, SL's is three tenths."
)
FACE_NOTE = (
    NOTE + " At cpu scale faces have 64 pixels in place of 128. CoGAN is that of section 3.3, in "
    "DCGAN's game: section 5.3 says that SCoGAN's game deviates from CoGAN's."
)


def coupled(
    name: str,
    slug: str,
    terms: str = "",
    published: Mapping[str, float | str] | None = None,
    dataset: str | None = None,
    full: Flags | None = None,
    num: int | None = None,
    **extra: Any,
) -> Arm:
    """An arm with the couplings of `terms` ("SL FR"); none of them is CoGAN.

    `full` holds what the published run has besides, `num` its samples, `extra` what all scales
    have.
    """
    options = {}
    for scale, weights in WEIGHTS.items():
        chosen: Flags = {} if "SL" in terms.split() else {"semantic_loss": 0.0}
        for term in terms.split():
            chosen |= weights[term]
        if not terms:
            chosen |= {"gan_type": "cogan"}
        options[scale] = chosen | extra | (full or {} if scale == "full" else {})
    return Arm(name, slug, options, published or {}, dataset, num)


def arms(
    entries: Iterable[tuple], labels: Sequence[str], full: Mapping[str, Flags] | None = None
) -> tuple[Arm, ...]:
    """Arms of a printed table: (name, slug, terms, numbers in the order of the labels).

    `full` holds, by slug, what a published run has besides.
    """
    return tuple(
        coupled(n, s, t, dict(zip(labels, p, strict=True)), full=(full or {}).get(s))
        for n, s, t, p in entries
    )


def listing(options: Flags) -> Flags:
    """What the thesis's listings compute, where they are not its equations, from an arm's options.

    The terms that differ by a factor have its weight (docs/reproducing.md); no weight decay is
    added to a loss, and the generators of SCoGAN share the dense row (listing 6.7).
    """
    faces = "celeba" in find(options["dataset"]).sources
    factors = {
        "semantic_loss": 2 / len(ATTRIBUTES if faces else DIGITS),
        "feature_loss": options.get("feature_layers", FeatureOptions.feature_layers),
    }
    changed = {n: options[n] * factor for n, factor in factors.items() if options.get(n)}
    dense = {} if options.get("gan_type") == "cogan" else {"shared_layers": 1}
    return options | changed | {"weight_decay": 0.0} | dense


SMOKE: Flags = dict(
    preset="quick",
    steps=4,
    width=0.125,
    batch_size=16,
    classifier_steps=4,
    evaluate_every=0,
    log_every=1,
    sample_every=4,
    checkpoint_every=4,
)
QUICK: Flags = dict(preset="quick", classifier_steps=2_000)
EDGE: Scales = {"full": dict(preset="mnist2edge"), "cpu": QUICK | dict(steps=1_500), "smoke": SMOKE}
SVHN: Scales = {"full": dict(preset="mnist2svhn"), "cpu": QUICK | dict(steps=2_000), "smoke": SMOKE}
# The compact networks have no four rows to share.
SHARING: Scales = SVHN | {
    scale: SVHN[scale] | dict(net="cogan32", d_norm="none", width=width)
    for scale, width in (("cpu", 0.25), ("smoke", 0.0625))
}
FACES: Scales = {
    "full": dict(preset="celeb_smiling"),
    "cpu": dict(
        preset="quick",
        image_size=64,
        noise_categories=0,
        batch_size=16,
        steps=3_000,
        evaluate_every=0,
        classifier_attack=0.0,
        classifier_steps=600,
        # Bounded: of what parts the domains, the smile, they can never agree.
        semantic_form="squared",
    ),
    "smoke": SMOKE,
}
TINY: Flags = dict(
    net="compact",
    image_size=64,
    width=0.125,
    batch_size=8,
    steps=4,
    log_every=1,
    sample_every=4,
    checkpoint_every=4,
)
# 64 pixels in the residual networks: minutes instead of days.
ANIMALS: Scales = {
    "cpu": dict(
        net="residual",
        image_size=64,
        width=0.25,
        batch_size=16,
        steps=2_000,
        loss="non_saturating",
        d_penalty="r1",
        penalty_weight=0.1,
        penalty_every=20,
        n_critic=1,
        sample_every=500,
    ),
    "smoke": TINY,
}

JUDGED = (
    TableRow("Joint coherence", "joint/coherence"),
    TableRow("Entropy, domain 1", "joint/entropy/{0}"),
    TableRow("Entropy, domain 2", "joint/entropy/{1}"),
)


def lpips_rows(labels: Iterable[str]) -> tuple[TableRow, ...]:
    """The thesis's three measurements and its baseline."""
    keys = (
        "lpips/generated_{0}~generated_{1}",
        "lpips/generated_{0}~real_{0}",
        "lpips/generated_{1}~real_{1}",
        "lpips/real_{0}~real_{1}",
    )
    return tuple(map(TableRow, labels, keys))


def pair_labels(one: str, other: str) -> tuple[str, str, str, str]:
    """Labels of the three measurements, and of the baseline."""
    return (
        f"Gen. {one} vs Gen. {other}",
        f"Gen. {one} vs Real {one}",
        f"Gen. {other} vs Real {other}",
        "Real vs Real (baseline)",
    )


EDGES, HOUSES = pair_labels("MNIST", "edge"), pair_labels("MNIST", "SVHN")
SMILES = pair_labels("No-smile", "Smile")
MADE = pair_labels("Domain1", "Domain2")
EMBEDDED = ("pen2street",)
# Pen and street digits are no outlines and no faces: they only show that the whole way works.
PEN_SMOKE = {"smoke": EMBEDDED}
STREET = dict.fromkeys(("full", "cpu", "smoke"), ("mnist2street", *EMBEDDED))
FACADE = dict.fromkeys(("full", "cpu", "smoke"), ("plan2facade",))
# Sections 3.3.1 and 5.4: as many as the smaller domain has, at most 1,000.
SAMPLES = {"horse2zebra": 1_000, "apple2orange": 995}


def _cross(number, dataset, size, numbers, wgan=False):
    """Tables 3.3 to 3.8: generated against real, within and across."""
    one, other = ("horses", "zebras") if dataset == "horse2zebra" else ("apples", "oranges")
    keys = [f"lpips/generated_{{{i}}}~real_{{{j}}}" for i in (0, 1) for j in (0, 1)]
    labels = [f"Gen. {a} vs Real {b}" for a in (one, other) for b in (one, other)]
    # Section 2.5 for WGAN-GP, 2.6 for the rest.
    full = dict(
        gan_type="cogan",
        image_size=size,
        batch_size=128,
        weight_init="normal",
        weight_decay=1e-4,
        steps=25_000 if wgan else 35_000,
    )
    full |= dict(loss="wasserstein", d_penalty="gp", n_critic=5) if wgan else DCGAN
    game = dict(gan_type="cogan") | (
        dict(loss="wasserstein", d_penalty="gp", n_critic=2, penalty_weight=10.0, penalty_every=1)
        if wgan
        else {}
    )
    return Experiment(
        f"LPIPS distances, {size}x{size} {dataset}, CoGAN{' under WGAN-GP' if wgan else ''}",
        SOURCE + f"table {number}",
        dataset,
        FACADE,
        {"full": full, "cpu": ANIMALS["cpu"] | game, "smoke": TINY | dict(gan_type="cogan")},
        (
            Arm(
                "CoGAN-GP" if wgan else "CoGAN",
                f"cogan{'_gp' if wgan else ''}_{size}",
                {"full": {}, "cpu": {}, "smoke": {}},
                dict(zip(labels, numbers, strict=True)),
            ),
        ),
        tuple(map(TableRow, labels, keys)),
        ("lpips", "lpips_cross"),
        {"full": SAMPLES[dataset], "cpu": 500, "smoke": 10},
        "At cpu scale images have 64 pixels and the networks are residual ones of a quarter of the "
        "width.",
        listing=listing,
    )


EXPERIMENTS = {
    "table3.3": _cross("3.3", "horse2zebra", 256, (0.7792, 0.8185, 0.7728, 0.7546)),
    "table3.4": _cross("3.4", "apple2orange", 256, (0.8388, 0.8693, 0.9005, 0.8944)),
    "table3.5": _cross("3.5", "horse2zebra", 128, (0.8906, 0.9594, 0.6923, 0.7024)),
    "table3.6": _cross("3.6", "apple2orange", 128, (0.7345, 0.7756, 0.7402, 0.7169)),
    "table3.7": _cross("3.7", "horse2zebra", 128, (0.6676, 0.7472, 0.7101, 0.6824), wgan=True),
    "table3.8": _cross("3.8", "apple2orange", 128, (0.6931, 0.7414, 0.7069, 0.6968), wgan=True),
    "table5.1": Experiment(
        "LPIPS on MNIST2edge",
        SOURCE + "table 5.1",
        "mnist2edge",
        PEN_SMOKE,
        EDGE,
        arms(
            (
                ("CoGAN", "cogan", "", (0.1026, 0.1157, 0.1157, 0.1627)),
                ("FR", "fr", "FR", (0.1227, 0.1217, 0.1429, 0.1627)),
                ("SL", "sl", "SL", (0.1039, 0.1141, 0.1100, 0.1627)),
                ("CC", "cc", "CC", (0.1092, 0.1148, 0.1092, 0.1627)),
                ("PL", "pl", "PL", (0.1019, 0.1110, 0.1064, 0.1627)),
            ),
            EDGES,
            # No weight is printed beside the table; section 4.1 couples these domains by 10.
            {"fr": dict(feature_loss=10.0)},
        ),
        lpips_rows(EDGES) + JUDGED,
        ("lpips", "coherence"),
        {"full": 30_000, "cpu": 2_000, "smoke": 20},
        NOTE,
        listing=listing,
    ),
    "table5.2": Experiment(
        "LPIPS on MNIST2SVHN",
        SOURCE + "table 5.2",
        "mnist2svhn_prune",
        STREET,
        SVHN,
        arms(
            (
                ("CoGAN", "cogan", "", (0.3400, 0.1126, 0.2151, 0.3304)),
                ("FR", "fr", "FR", (0.2434, 0.1194, 0.1941, 0.3304)),
                ("SLFR", "slfr", "SL FR", (0.3016, 0.1162, 0.2046, 0.3304)),
                ("SLCC", "slcc", "SL CC", (0.3093, 0.1153, 0.2083, 0.3304)),
                ("FRCC", "frcc", "FR CC", (0.3022, 0.1146, 0.2094, 0.3304)),
                ("PL", "pl", "PL", (0.2948, 0.1120, 0.2117, 0.3304)),
            ),
            HOUSES,
        ),
        lpips_rows(HOUSES) + JUDGED,
        ("lpips", "coherence"),
        {"full": 50_000, "cpu": 2_000, "smoke": 20},
        NOTE,
        listing=listing,
    ),
    "table5.3": Experiment(
        "LPIPS on CelebSmiling",
        SOURCE + "table 5.3",
        "celeb_smiling",
        PEN_SMOKE,
        FACES,
        arms(
            (
                ("CoGAN", "cogan", "", (0.0433, 0.3923, 0.3877, 0.3955)),
                ("SLFR", "slfr", "SL FR", (0.1294, 0.3875, 0.3921, 0.3955)),
                ("SLCC", "slcc", "SL CC", (0.1708, 0.3879, 0.3881, 0.3955)),
                ("PL", "pl", "PL", (0.0857, 0.3907, 0.3962, 0.3955)),
            ),
            SMILES,
            {"cogan": DCGAN},
        ),
        (*lpips_rows(SMILES), JUDGED[0], TableRow("Coherence by chance", "joint/chance")),
        ("lpips", "coherence"),
        {"full": 50_000, "cpu": 500, "smoke": 20},
        FACE_NOTE,
        listing=listing,
    ),
    "table5.4": Experiment(
        "LPIPS on apple2orange and horse2zebra",
        SOURCE + "table 5.4",
        "apple2orange",
        FACADE,
        {"full": dict(preset="apple2orange")} | ANIMALS,
        tuple(
            coupled(
                name,
                slug,
                terms,
                dict(zip(MADE, numbers, strict=True)),
                dataset,
                num=SAMPLES[dataset],
            )
            for name, slug, terms, dataset, numbers in (
                (
                    "CoGAN(a2o)",
                    "cogan_pl_settings",
                    "",
                    "apple2orange",
                    (0.6081, 0.6939, 0.7021, 0.7013),
                ),
                ("PL(a2o)", "pl_128", "PL", "apple2orange", (0.5774, 0.7361, 0.7339, 0.7013)),
                (
                    "CoGAN(h2z)",
                    "cogan_pl_settings",
                    "",
                    "horse2zebra",
                    (0.6238, 0.6691, 0.6844, 0.7062),
                ),
                ("PL(h2z)", "pl_128", "PL", "horse2zebra", (0.6163, 0.6715, 0.6900, 0.7062)),
            )
        ),
        lpips_rows(MADE),
        ("lpips",),
        {"full": 995, "cpu": 500, "smoke": 10},
        NOTE,
        listing=listing,
    ),
    "table7.1": Experiment(
        "LPIPS on MNIST2SVHN, semantic loss alone",
        SOURCE + "table 7.1",
        "mnist2svhn_prune",
        STREET,
        SVHN,
        arms((("SL", "sl", "SL", (0.3018, 0.1140, 0.2053, 0.3304)),), HOUSES),
        lpips_rows(HOUSES) + JUDGED,
        ("lpips", "coherence"),
        {"full": 50_000, "cpu": 2_000, "smoke": 20},
        NOTE,
        listing=listing,
    ),
    "figure3.8": Experiment(
        "CoGAN on MNIST2SVHN with 4, 3, 2 and 1 shared layers",
        SOURCE + "figure 3.8, section 3.3",
        "mnist2svhn_prune",
        STREET,
        SHARING,
        tuple(
            coupled(f"{n} shared", f"cogan_shared{n}", "", published, full=DCGAN, shared_layers=n)
            for n, published in (
                (4, {HOUSES[0]: 0.3541}),
                (3, {}),
                (2, {}),
                (1, {HOUSES[0]: 0.3423}),
            )
        ),
        lpips_rows(HOUSES) + JUDGED,
        ("lpips", "coherence"),
        {"full": 50_000, "cpu": 2_000, "smoke": 20},
        NOTE + " The networks are the published ones, at a quarter of the width and less.",
        "samples",
        listing=listing,
    ),
}
