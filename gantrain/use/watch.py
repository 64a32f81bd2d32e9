"""What looks at a run while it trains: its pictures, its measurements, what is kept as best."""

from __future__ import annotations

from functools import partial

from gantrain.core import MEASURED_SEED, LpipsWeights
from gantrain.measures import METRICS
from gantrain.measures.evaluate import hashes, measure, require
from gantrain.measures.streams import Weights
from gantrain.runs.build import OpenRun, Watch
from gantrain.runs.callbacks import Kept
from gantrain.trainer import Generates, Shows
from gantrain.use.held_out import HeldOut
from gantrain.use.measured import ends_with_coherence, measuring, streams
from gantrain.use.samples import fixed_picture


def watch(run: OpenRun) -> Watch:
    """What the options and the trainer of an open run ask to be shown and measured.

    Raises:
        UserError: a metric of `--evaluate_metrics` does not fit the run.
    """
    config, o, found, best = run.config, measuring(run.config), [], None
    ends = ends_with_coherence(config, run.domains)
    ending = None
    if o.names or ends:
        # Its programs serve every measurement.
        e = streams(
            run, o.evaluate_num, MEASURED_SEED, Weights(lpips=config.of(LpipsWeights).lpips_weights)
        )
        ending = partial(_measured, e, ["coherence"]) if ends else None
    if o.names:
        # Not at the first measurement, hours later.
        require(e, o.names, "--evaluate_metrics")
        found.append((o.evaluate_every, partial(_measured, e, o.names)))
        if o.keep_best:
            metric = METRICS[o.keep_best]
            best = Kept(o.keep_best, metric.score, metric.best[1])
    if isinstance(run.trainer, Shows):
        held_out = HeldOut(run)
        best = held_out.kept() or best
        return Watch(held_out.picture, [*found, (config.run.sample_every, held_out.scores)], best)
    if isinstance(run.trainer, Generates):
        return Watch(partial(fixed_picture, run), found, best, ending)
    return Watch(measurements=found, best=best)


def _measured(e, names):
    """Values, and the hashes of the `networks` that gave them."""
    values = measure(e, names)
    return values | ({"networks": hashes(e.networks)} if e.networks else {})
