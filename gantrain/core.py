"""The options that every run has, whatever it trains: what, from which images, how it runs."""

from __future__ import annotations

from dataclasses import dataclass

from gantrain.options import Options, Records, option

# Samples of a measurement, and the seed of their latent vectors: the same for every run.
MEASURED, MEASURED_SEED = 2_000, 12_345


@dataclass(frozen=True)
class Run(Options):
    """What is trained, where it is written, and how often."""

    gan_type: str = option("scogan", "what to train")
    preset: str | None = option(None, "named set of options; explicit flags win over it")
    run_dir: str = option(
        None,
        "directory of this run; default runs/<gan_type>-<dataset>...-seed<seed>",
        resumable=True,
    )
    steps: int = option(25_000, "generator updates", low=1, resumable=True)
    seed: int = option(0, "seed of weights, data order, noise and samples", low=0, high=2**31 - 1)
    log_every: int = option(100, "steps between two lines of metrics.jsonl", low=1, resumable=True)
    sample_every: int = option(500, "steps between two sample grids", low=1, resumable=True)
    checkpoint_every: int = option(1_000, "steps between two checkpoints", low=1, resumable=True)
    keep: int = option(2, "checkpoints kept; older ones are deleted", low=1, resumable=True)
    time_limit: float = option(
        0.0,
        "minutes after which the run saves and exits with code 75 (0: none)",
        low=0.0,
        resumable=True,
    )
    tensorboard: bool = option(False, "also write TensorBoard events", resumable=True)
    resume: bool = option(
        True,
        "continue the run in run_dir; --no-resume moves it aside and starts anew",
        resumable=True,
    )
    dry_run: bool = option(
        False,
        "print what the run needs, build it and run one step; train, download and write nothing",
        resumable=True,
    )


@dataclass(frozen=True)
class Data(Options):
    """Which images, from where."""

    dataset: str = option(
        "pen2street",
        "name of a data set, folder:PATH[,PATH...], pairs:PATH, or gray2color: or "
        "edge2photo: with a folder or a set of one domain; see `gantrain list datasets`",
    )
    place: str | None = option(
        None,
        "where a --dataset of folders lies now, written alike, if not where the run began",
        resumable=True,
    )
    domains: str | None = option(None, "train only these domains of the set, comma separated")
    data_dir: str = option(
        "data", "folder that holds <name>/ with the original files", resumable=True
    )
    offline: bool = option(False, "never touch the network", resumable=True)
    image_size: int | None = option(
        None, "side of the square images that networks see", low=8, high=2048
    )
    load_size: int | None = option(
        None,
        "training images are scaled to this size and cropped to --image_size at random; "
        "default: --image_size, no crop; for translation and segmenter 143/128 of it",
        low=8,
        high=4096,
    )
    fit: str = option(
        "squeeze",
        "how images are scaled: squeeze (both axes to the size), short_side (aspect "
        "kept, the shorter side to --load_size, cropped), none (pixels as they are, cropped)",
        choices=("squeeze", "short_side", "none"),
    )
    flip: bool = option(
        None,
        "mirror training images at random, both halves of a pair alike; default on for "
        "translation and segmenter, else off",
    )
    batch_size: int = option(
        None,
        "images per domain and update, over all devices; default "
        "64, for translation 1, for segmenter 8",
        low=1,
    )

    @classmethod
    def defaults(cls, flat: dict) -> dict:
        return {"batch_size": 64, "flip": False}


@dataclass(frozen=True)
class LpipsWeights(Options):
    """Weights of LPIPS."""

    lpips_weights: str | None = option(
        None,
        "LPIPS weights (.npz, official .pth files), for --perceptual_loss and for "
        "--evaluate_metrics lpips",
        resumable=True,
    )


GPUS = "GPUs to use by their numbers, such as 0,3, or none; the others are left alone"
GPU_MEMORY = "limit of the memory of each GPU (0: grow as needed)"
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclass(frozen=True)
class RuntimeOptions(Options):
    """How the step runs."""

    precision: str = option(
        "float32",
        "arithmetic of the layers; weights and heads stay float32; auto: mixed_bfloat16 where the "
        "device has instructions for it, else float32",
        choices=(*PRECISIONS, "auto"),
    )
    tf32: bool = option(True, "TensorFloat-32 in the float32 products of GPUs that have it")
    xla: bool | None = option(
        None, "compile the step with XLA; default: on a single GPU only", resumable=True
    )
    devices: int = option(
        0, "replicas (0: all visible GPUs, or one CPU); the batch is divided", low=0, high=64
    )
    deterministic: bool = option(False, "use deterministic kernels only (slower on GPU)")
    gpus: str | None = option(None, GPUS, resumable=True)
    gpu_mem_mb: int = option(0, GPU_MEMORY, low=0, resumable=True)


@dataclass(frozen=True)
class Devices:
    """Devices, of every command that computes but `train`, which has more of them."""

    gpus: str | None = option(None, GPUS)
    gpu_mem_mb: int = option(0, GPU_MEMORY, low=0)


class Config(Records):
    """The options of a run: the core by name, what was chosen besides by `of(kind of record)`."""

    @property
    def run(self) -> Run:
        return self.of(Run)

    @property
    def data(self) -> Data:
        return self.of(Data)

    @property
    def runtime(self) -> RuntimeOptions:
        return self.of(RuntimeOptions)
