"""Seeds, devices, precision, XLA and the distribution strategy; the only `tf.function`."""

from __future__ import annotations

import configparser
import functools
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from gantrain import devices
from gantrain.core import RuntimeOptions
from gantrain.deferred import keras, tf
from gantrain.errors import UserError


def start(options: RuntimeOptions, seed: int) -> Runtime:
    """Sets what is of the whole process: its GPUs, seeds, precision, kinds of kernels.

    Args:
        options: `gantrain.core.RuntimeOptions`.
        seed: of Python, NumPy, TensorFlow and Keras.
    """
    devices.ask(options.gpus, options.devices, options.gpu_mem_mb)
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(options.precision)
    tf.config.experimental.enable_tensor_float_32_execution(options.tf32)
    if options.deterministic:
        tf.config.experimental.enable_op_determinism()
    return Runtime(options)


def best_precision() -> str:
    """The precision that `auto` stands for on this machine.

    mixed_bfloat16 where the device multiplies bfloat16: every GPU from compute capability 8 on,
    CPUs with AMX or AVX-512 bf16; elsewhere it would only cost accuracy.
    """
    gpus = devices.visible()
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        able = all(d.get("compute_capability", (0, 0))[0] >= 8 for d in details)
    else:
        able = bool({"amx_bf16", "avx512_bf16"} & _instructions())
    return "mixed_bfloat16" if able else "float32"


def _instructions(path="/proc/cpuinfo"):
    """Names of the instruction sets of this CPU, as Linux lists them; nothing elsewhere."""
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("flags"):
                return set(line.partition(":")[2].split())
    return set()


class Runtime:
    """Where and how a compiled step runs; `start` makes it, which sets the process up first.

    Args:
        options: `gantrain.core.RuntimeOptions`.

    Attributes:
        replicas: devices that share a batch.
        device: one line for logs and `environment.json`.
    """

    def __init__(self, options: RuntimeOptions):
        gpus = devices.visible()
        kind = "GPU" if gpus else "CPU"
        names = [d.name for d in tf.config.list_logical_devices(kind)]
        wanted = options.devices or (len(names) if gpus else 1)
        if wanted > len(names):
            raise UserError(f"--devices {wanted}: only {len(names)} {kind} device(s) visible")
        self.replicas = wanted
        self.strategy = (
            _mirrored(tuple(names[:wanted])) if wanted > 1 else tf.distribute.get_strategy()
        )
        # XLA cannot compile a replica's optimizer update, and on a CPU it gains nothing here.
        self.xla = (bool(gpus) and wanted == 1) if options.xla is None else options.xla
        if self.xla and wanted > 1:
            raise UserError("--xla works on one device only; drop it or use --devices 1")
        products = options.precision
        if gpus and products == "float32":
            products += " with TF32" if options.tf32 else " without TF32"
        self.device = f"{wanted} x {kind}, {products}{', XLA' if self.xla else ''}"

    def compile(self, iteration: Callable) -> Callable:
        """One program out of `iteration(step, host) -> {name: scalar}`.

        `iteration` is traced once per replica; its logs come back as means over the replicas.
        """
        if self.replicas == 1:
            return tf.function(iteration, autograph=False)

        @tf.function(autograph=False)
        def distributed(step, host):
            logs = self.strategy.run(iteration, args=(step, host))
            return {
                name: self.strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None)
                for name, value in logs.items()
            }

        return distributed

    def fuse(self, function: Callable) -> Callable:
        """The part of an iteration that XLA may compile; plain otherwise."""
        return tf.function(function, jit_compile=True, autograph=False) if self.xla else function

    def function(self, function: Callable) -> Callable:
        """A compiled function outside the training step (samples, reports)."""
        return tf.function(function, reduce_retracing=True, autograph=False)

    @staticmethod
    def replica() -> tuple:
        """(index of this replica, number of replicas) inside a step."""
        context = tf.distribute.get_replica_context()
        return context.replica_id_in_sync_group, context.num_replicas_in_sync


@functools.cache
def _mirrored(names):
    """One strategy per process.

    A second one numbers its collectives from the same start, and TensorFlow then pairs those of a
    classifier's run with those of the run that trained it.
    """
    return tf.distribute.MirroredStrategy(names)


# What touches pixels or numbers, as its distributions are called; the first that is there is named.
PACKAGES = (
    ("gantrain",),
    ("tensorflow", "tensorflow-cpu"),
    ("keras",),
    ("numpy",),
    ("scipy",),
    (
        "opencv-python-headless",
        "opencv-python",
        "opencv-contrib-python-headless",
        "opencv-contrib-python",
    ),
    ("pillow",),
    ("pillow-heif",),
    ("tifffile",),
    ("h5py",),
    ("protobuf",),
    ("onnxruntime",),
    ("ai-edge-litert",),
    ("tensorflow-datasets",),
    ("ml_dtypes",),
    ("matplotlib",),
)
# What schedulers call a job, its place in an array and its repetition.
JOB = (
    "SLURM_JOB_ID",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_RESTART_COUNT",
    "PBS_JOBID",
    "PBS_ARRAY_INDEX",
    "LSB_JOBID",
    "LSB_JOBINDEX",
    "JOB_ID",
    "SGE_TASK_ID",
)


def environment(device: str) -> dict:
    """What a result depends on besides the config: versions, machine, job, command, git commit."""
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in devices.visible()
    ]
    build = tf.sysconfig.get_build_info() if gpus else {}
    return {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join(sys.argv),
        "device": device,
        "gpus": gpus,
        "cuda": build.get("cuda_version"),
        "cudnn": build.get("cudnn_version"),
        "host": platform.node(),
        "job": {k: os.environ[k] for k in JOB if k in os.environ},
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "commit": _commit(Path(__file__).resolve().parent),
        "python": platform.python_version(),
        **_versions(),
    }


def _versions():
    """{distribution: version} of the PACKAGES that are installed."""
    found = {}
    for names in PACKAGES:
        for name in names:
            with suppress(metadata.PackageNotFoundError):
                found[name] = metadata.version(name)
                break
    return found


def _commit(package):
    """The commit of this project's repository that the package is run from, or None.

    Inside another repository, as in its `.venv`, that one's commit would say nothing about it.
    """
    # A git hook sets GIT_DIR to the repository that it runs in.
    plain = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}

    def git(*words):
        return subprocess.run(
            ["git", "-C", str(package), *words],
            capture_output=True,
            text=True,
            timeout=10,
            env=plain,
            check=True,
        ).stdout.strip()

    try:
        root = Path(git("rev-parse", "--show-toplevel")).resolve()
        own = configparser.ConfigParser()
        own.read(root / "setup.cfg")
        if root != package.parent or own.get("metadata", "name", fallback="") != "gantrain":
            return None
        return git("describe", "--always", "--dirty") or None
    except (OSError, ValueError, subprocess.SubprocessError, configparser.Error):
        return None
