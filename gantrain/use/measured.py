"""What measures an open run: its images as streams, and the judges that it needs for that."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gantrain import consulted
from gantrain.consulted import Wanted
from gantrain.core import MEASURED, MEASURED_SEED, Config, LpipsWeights
from gantrain.data.domain import Domain
from gantrain.data.palettes import label_palette
from gantrain.measures import METRICS
from gantrain.measures.evaluate import Ending, Measuring
from gantrain.measures.streams import Judges, Streams, Weights
from gantrain.nets import Direction, frozen
from gantrain.nets.inception import inception
from gantrain.runs.build import OpenRun
from gantrain.runs.consult import consult
from gantrain.runs.plan import need
from gantrain.terms.labels import LabelHeads, LabelOptions
from gantrain.trainer import Translates, able


def measuring(config: Config) -> Measuring:
    """The options of measuring while training; off where a trainer makes nothing to measure."""
    return config.of(Measuring) if config.has(Measuring) else Measuring()


def ends_with_coherence(config: Config, domains: Sequence[Domain]) -> bool:
    """Whether a run is asked for its joint coherence at the end, and has one."""
    return (
        config.on(Ending)
        and len(domains) > 1
        and all(d.labels is not None and len(d.shape) == 3 for d in domains)
        and len({len(d.classes) for d in domains}) == 1
    )


def asked(config: Config, domains: list[Domain]) -> dict[str, Wanted]:
    """What judges a run while it trains and at its end, by name."""
    names = [*measuring(config).names, *["coherence"] * ends_with_coherence(config, domains)]
    wanted: dict[str, Wanted] = {}
    read = {METRICS[name].weights for name in names}
    if len(domains[0].shape) == 3 and any(METRICS[name].judged for name in names):
        wanted |= {
            _judge(domain, judge): trained
            for domain, panel in consulted.evaluation_classifiers(domains).items()
            for judge, trained in panel.items()
        }
    if "fcn" in read and config.has(Direction):
        wanted["segmenter"] = consulted.segmenter(config, domains, config.of(Direction).direction)
    lpips = config.of(LpipsWeights).lpips_weights if "lpips" in read else None
    if lpips:
        wanted["lpips"] = consulted.FromFile("LPIPS", lpips, lambda: frozen.lpips(lpips))
    if "inception" in read:
        offline = config.data.offline
        wanted["inception"] = consulted.FromFile(
            "InceptionV3", None, lambda: inception(None, offline), lambda: None
        )
    return wanted


def streams(
    run: OpenRun,
    num: int = MEASURED,
    seed: int = MEASURED_SEED,
    weights: Weights | None = None,
    train: Callable | None = None,
) -> Streams:
    """The images of an open run, and what judges them.

    Args:
        run: `gantrain.runs.build.OpenRun` with its data.
        num, seed, weights: see `gantrain.measures.streams.Streams`.
        train: (config, domains) -> None, for a judge that its plan did not name.
    """
    config, domains = run.config, run.domains

    def network(name, wanted):
        held = None if wanted.given else run.networks.get(name)
        return held or consult(need(config, wanted), train)

    def source_only():
        return (
            {
                name: network(name, wanted).model
                for name, wanted in LabelHeads.consults(config, domains).items()
            }
            if config.on(LabelOptions)
            else {}
        )

    judges = Judges(
        lambda: judging_classifiers(domains, network),
        lambda given: judging_segmenter(
            config, domains, able(run.trainer, Translates).way, given, network
        ),
        source_only,
    )
    return Streams(
        config,
        run.trainer,
        domains,
        run.test_domains,
        run.runtime.function,
        judges,
        num,
        seed,
        weights,
    )


def judging_classifiers(domains: Sequence[Domain], network: Callable) -> dict[str, dict]:
    """{domain: {judge: (model, what is stored with it)}}.

    Args:
        domains: labelled.
        network: (name, `Trained`) -> `gantrain.consulted.Network`.
    """

    def judge(domain, name, wanted):
        found = network(_judge(domain, name), wanted)
        described = {k: found.description[k] for k in ("version", "sha256")}
        return found.model, described | {"accuracy": found.scores[f"accuracy/{domain}"]}

    return {
        domain: {name: judge(domain, name, wanted) for name, wanted in panel.items()}
        for domain, panel in consulted.evaluation_classifiers(domains).items()
    }


def judging_segmenter(
    config: Config, domains: Sequence[Domain], direction: str, given: str | None, network: Callable
) -> tuple:
    """The judge of the FCN score, and what is stored with its numbers.

    Args:
        config, domains, direction, given: see `gantrain.consulted.segmenter`.
        network: (name, `Trained`) -> `gantrain.consulted.Network`.

    Raises:
        UserError: the network takes other images or gives other classes.
    """
    wanted = consulted.segmenter(config, domains, direction, given)
    found = network("segmenter", wanted)
    palette = label_palette(domains[0], config.data.dataset, config.data.data_dir)
    consulted.check_segmenter(found.model, given, domains[1], len(palette.classes))
    return found.model, {"network": "fcn"} | found.description


def _judge(domain, name):
    return f"{name} of {domain}"
