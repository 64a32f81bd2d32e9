"""Seeds, devices, precision, XLA and the distribution strategy; the only `tf.function`."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from pathlib import Path

import keras
import tensorflow as tf

from gantrain.errors import UserError


class Runtime:
    """Where and how a compiled step runs.

    Args:
        options: `gantrain.config.Runtime`.
        seed: of Python, NumPy, TensorFlow and Keras.

    Attributes:
        replicas: devices that share a batch.
        device: one line for logs and `environment.json`.
    """

    def __init__(self, options, seed):
        keras.utils.set_random_seed(seed)
        keras.config.set_dtype_policy(options.precision)
        if options.deterministic:
            tf.config.experimental.enable_op_determinism()
        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            _limit_memory(gpu, options.gpu_mem_mb)
        kind = "GPU" if gpus else "CPU"
        names = [d.name for d in tf.config.list_logical_devices(kind)]
        wanted = options.devices or (len(names) if gpus else 1)
        if wanted > len(names):
            raise UserError(f"--devices {wanted}: only {len(names)} {kind} device(s) visible")
        self.replicas = wanted
        self.strategy = (_mirrored(tuple(names[:wanted])) if wanted > 1
                         else tf.distribute.get_strategy())
        # XLA cannot compile a replica's optimizer update, and on a CPU it gains nothing here.
        self.xla = (bool(gpus) and wanted == 1) if options.xla is None else options.xla
        if self.xla and wanted > 1:
            raise UserError("--xla works on one device only; drop it or use --devices 1")
        self.device = f"{wanted} x {kind}, {options.precision}{', XLA' if self.xla else ''}"

    def compile(self, iteration):
        """One program out of `iteration(step, host) -> {name: scalar}`.

        `iteration` is traced once per replica; its logs come back as means over the replicas.
        """
        if self.replicas == 1:
            return tf.function(iteration, autograph=False)

        @tf.function(autograph=False)
        def distributed(step, host):
            logs = self.strategy.run(iteration, args=(step, host))
            return {name: self.strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None)
                    for name, value in logs.items()}

        return distributed

    def fuse(self, function):
        """The part of an iteration that XLA may compile; plain otherwise."""
        return (tf.function(function, jit_compile=True, autograph=False) if self.xla
                else function)

    def function(self, function):
        """A compiled function outside the training step (samples, reports)."""
        return tf.function(function, reduce_retracing=True, autograph=False)

    @staticmethod
    def replica():
        """(index of this replica, number of replicas) inside a step."""
        context = tf.distribute.get_replica_context()
        return context.replica_id_in_sync_group, context.num_replicas_in_sync


@functools.cache
def _mirrored(names):
    """One strategy per process: a second one numbers its collectives from the same start, and
    TensorFlow then pairs those of a classifier's run with those of the run that trained it."""
    return tf.distribute.MirroredStrategy(names)


def _limit_memory(gpu, limit_mb):
    try:
        if limit_mb:
            tf.config.set_logical_device_configuration(
                gpu, [tf.config.LogicalDeviceConfiguration(memory_limit=limit_mb)])
        else:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        # The devices are already initialised: a notebook that trains a second time.
        return


def environment(device) -> dict:
    """What a result depends on besides the config: versions, device, git commit."""
    import numpy as np
    here = Path(__file__).resolve().parent
    try:
        commit = subprocess.run(["git", "-C", str(here), "describe", "--always", "--dirty"],
                                capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        commit = ""
    return {"device": device, "commit": commit or None, "python": platform.python_version(),
            "tensorflow": tf.__version__, "keras": keras.__version__, "numpy": np.__version__,
            "platform": platform.platform(), "cores": os.cpu_count()}
