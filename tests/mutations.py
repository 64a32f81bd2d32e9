"""What `tests/mutate.py` applies: mistakes on the road from a run to a number."""

from typing import NamedTuple


class Mutation(NamedTuple):
    """A mistake, and the tests that must see it.

    Attributes:
        name: what is wrong, in words.
        file: relative to the root.
        old, new: text of the file, there exactly once, and what stands in its place.
        tests: arguments of pytest.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


ROAD = "tests/test_road.py::test_"
MEASURES, STREAMS = "gantrain/measures/", "gantrain/measures/streams.py"
BUILD, DOMAINS = "gantrain/runs/build.py", "gantrain/runs/domains.py"
CONSULTED, TABLE = "gantrain/consulted.py", "gantrain/experiments/table.py"
THESIS, WRITE = "gantrain/experiments/thesis.py", "gantrain/experiments/write.py"
OF_IMAGES = "gantrain/experiments/translation.py"


def _metric(name):
    return (f"{ROAD}every_metric_of_the_stub_run_is_exact[{name}]",)


def _table(name, *others):
    return (f"{ROAD}every_row_of_a_table_is_exact[{name}]", *(ROAD + other for other in others))


JUDGES = (ROAD + "the_judges_are_who_they_are",)

MUTATIONS = (
    # The six of the issue, and the one that was seen.
    Mutation("domains 1 and 2 swapped in a table", THESIS,
             '"lpips/generated_{0}~real_{0}",\n            "lpips/generated_{1}~real_{1}"',
             '"lpips/generated_{1}~real_{1}",\n            "lpips/generated_{0}~real_{0}"',
             _table("table5.4")),
    Mutation("names of the domains in another order in every table", TABLE,
             "names, logged = [d.name for d in directory.domains()], directory.metrics()",
             "names, logged = [d.name for d in directory.domains()][::-1], directory.metrics()",
             _table("table3.3")),
    Mutation("generated images against the other domain's reals", STREAMS,
             "{name: (self.of_domain(i), self.real(i)) for i, name",
             "{name: (self.of_domain(i), self.real(0 if i else 1)) for i, name",
             _metric("classifier_frechet")),
    Mutation("LPIPS against the other domain's reals", MEASURES + "lpips.py",
             'yield f"generated_{name}~real_{name}", e.of_domain(i), e.real(i)',
             'yield f"generated_{name}~real_{name}", e.of_domain(i), e.real(0 if i else 1)',
             _metric("lpips")),
    Mutation("labels in another order than the images in cross coherence", MEASURES + "cross.py",
             "cross_coherence(domain.labels[order], logits,",
             "cross_coherence(domain.labels[np.sort(order)], logits,", _metric("cross")),
    Mutation("FCN score against the photograph instead of the label map", MEASURES + "fcn.py",
             "((out, x) for x, out, _ in e.translations())",
             "((out, y) for _, out, y in e.translations())", _metric("fcn")),
    Mutation("the same order of reals in both domains", STREAMS,
             "np.random.default_rng([self.seed, number, again])",
             "np.random.default_rng([self.seed, again])", _metric("lpips")),
    Mutation("the judge has the semantic loss's own architecture", CONSULTED,
             'classifier_net="evaluation"', 'classifier_net="compact"', JUDGES),
    # Streams.
    Mutation("the same order of reals in the floor of LPIPS", MEASURES + "lpips.py",
             "e.real(i), e.real(i, again=1)", "e.real(i), e.real(i)", _metric("lpips")),
    Mutation("the order of reals does not heed the seed", STREAMS,
             "np.random.default_rng([self.seed, number, again])",
             "np.random.default_rng([0, number, again])", _metric("lpips")),
    Mutation("samples do not heed the seed", STREAMS,
             "self.trainer.latents(self.num, self.seed)", "self.trainer.latents(self.num, 0)",
             _metric("coherence")),
    Mutation("the number of real images is ignored", STREAMS,
             "_batches(domain, order[:self.num])", "_batches(domain, order)",
             _metric("classifier_frechet")),
    Mutation("the number of samples is ignored", STREAMS,
             "self.trainer.latents(self.num, self.seed)", "self.trainer.latents(100, self.seed)",
             _metric("modes")),
    Mutation("the number of test examples is ignored", STREAMS,
             "range(min(self.num, paired or source.size))", "range(paired or source.size)",
             _metric("fcn")),
    Mutation("reals of the test part", STREAMS,
             "        domain = self.domains[number]\n", "        domain = self.test[number]\n",
             _metric("classifier_frechet")),
    Mutation("the test part is the training part", BUILD,
             'chosen_domains(self.config, "test")', 'chosen_domains(self.config, "train")',
             _metric("cross")),
    Mutation("translations are compared with the domain they come from", STREAMS,
             "target = self.test[0 if back else 1]", "target = self.test[1 if back else 0]",
             _metric("inception")),
    Mutation("translations of the other direction", STREAMS,
             "((out for _, out, _ in self.translations(way)),",
             "((out for _, out, _ in self.translations(None)),", _metric("inception")),
    # Measures.
    Mutation("deviation in the place of the mean of LPIPS", MEASURES + "lpips.py",
             '{f"lpips/{name}": d["mean"], f"lpips_std/{name}": d["std"]}',
             '{f"lpips/{name}": d["std"], f"lpips_std/{name}": d["mean"]}', _metric("lpips")),
    Mutation("cross LPIPS within the domain", MEASURES + "lpips_cross.py",
             '(f"generated_{one}~real_{other}", e.of_domain(i), e.real(j))',
             '(f"generated_{one}~real_{other}", e.of_domain(j), e.real(j))',
             _metric("lpips_cross")),
    Mutation("judges of the domains in another order", "gantrain/use/measured.py",
             "lambda: evaluation_classifiers(domains, network)",
             "lambda: evaluation_classifiers(domains[::-1], network)",
             _metric("coherence")),
    Mutation("real and made exchanged: precision is recall", MEASURES + "frechet.py",
             "in distances(real, made, network, seed)",
             "in distances(made, real, network, seed)", _metric("classifier_frechet")),
    Mutation("the map of the other domain in pixel agreement", MEASURES + "agreement.py",
             "map_agreement((m[0] for m in both[0]), (m[i] for m in both[1]),",
             "map_agreement((m[i] for m in both[0]), (m[0] for m in both[1]),",
             _metric("agreement")),
    Mutation("classes of the samples against those of the other domain", MEASURES + "modes.py",
             "label_coverage(labels, domain.labels, len(domain.classes))",
             "label_coverage(labels, e.domains[i - 1].labels, len(domain.classes))",
             _metric("modes")),
    Mutation("adaptation reads the first domain's labels as the source's",
             "gantrain/terms/labels.py",
             "number = names.index(name) if name else 0", "number = 0", _metric("adaptation")),
    Mutation("the ceiling of the FCN score of generated photographs", MEASURES + "fcn.py",
             'f"fcn/ceiling_{k}": v for k, v in real.items()',
             'f"fcn/ceiling_{k}": v for k, v in made.items()', _metric("fcn")),
    # The run.
    Mutation("raw weights in the place of averaged ones", "gantrain/trainer.py",
             "return self.averages[0].networks if self.averages else networks",
             "return networks", (ROAD + "a_picture_of_samples_is_exact",)),
    Mutation("the newest state in the place of the best", "gantrain/stages.py",
             "best = directory.best if directory.best.exists() else None", "best = None",
             _metric("lpips")),
    Mutation("the oldest checkpoint in the place of the newest", "gantrain/runs/directory.py",
             "path = found[-1]", "path = found[0]", _metric("coherence")),
    Mutation("--domains in the data set's order", DOMAINS,
             "domains = [by_name[n] for n in wanted]",
             "domains = [d for d in domains if d.name in wanted]",
             (ROAD + "a_picture_of_samples_is_exact",)),
    Mutation("--direction b2a leaves the domains as they are", DOMAINS,
             'return domains[::-1] if config.flat().get("direction") == "b2a" else domains, unsure',
             "return domains, unsure",
             _metric("pixels")),
    # Tables.
    Mutation("the published number of another column", WRITE,
             "arm.published.get(row.label), cell.missing,",
             "experiment.arms[0].published.get(row.label), cell.missing,", _table("table5.3")),
    Mutation("the published number of another column in Markdown", WRITE,
             "number(arm.published.get(row.label))))]",
             "number(experiment.arms[-1].published.get(row.label))))]",
             (ROAD + "a_table_says_the_same_in_every_form[table5.3]",)),
    Mutation("labels of two rows exchanged in one table", THESIS,
             'keys = [f"lpips/generated_{{{i}}}~real_{{{j}}}"',
             'keys = [f"lpips/generated_{{{j}}}~real_{{{i}}}"',
             (ROAD + "labels_say_what_their_rows_read",)),
    Mutation("two published numbers exchanged", THESIS, "(.7345, .7756, .7402, .7169)",
             "(.7345, .7402, .7756, .7169)", (ROAD + "published_numbers_are_in_their_cells",)),
    Mutation("a seed is left out", TABLE, "for seed in range(request.seeds):",
             "for seed in range(max(1, request.seeds - 1)):", _table("table5.2")),
    Mutation("all seeds are the first", TABLE,
             "options(experiment, arm, request, seed))", "options(experiment, arm, request, 0))",
             _table("table5.2")),
    Mutation("deviation of the population", TABLE, "statistics.stdev(", "statistics.pstdev(",
             _table("table5.2")),
    Mutation("another stand-in", TABLE, "return here[0] if here else wanted",
             "return here[-1] if here else wanted", _table("table5.2")),
    Mutation("the first logged value in the place of the last", TABLE,
             "seen[-1] if seen else", "seen[0] if seen else", _table("figure7.1")),
    Mutation("another seed of measurement in tables", TABLE,
             "found = evaluate(path, tuple(names), num, MEASURED_SEED) if names else {}",
             "found = evaluate(path, tuple(names), num, 0) if names else {}", _table("table3.3")),
    Mutation("rows of the FCN score exchange truth and ceiling", OF_IMAGES,
             '("", ""), (" (ground truth)", "ceiling_")',
             '("", "ceiling_"), (" (ground truth)", "")',
             _table("objectives")),
    Mutation("cycle rows of the other domain", OF_IMAGES,
             'Row("Cycle L1, domain 1", "pixels/cycle_l1/{0}")',
             'Row("Cycle L1, domain 1", "pixels/cycle_l1/{1}")', _table("cycle_weights")),
    Mutation("bars of another arm", WRITE,
             "cells = [result.cells[row.label, name] for name in names]",
             "cells = [result.cells[row.label, name] for name in names[::-1]]",
             (ROAD + "bars_are_the_table[table5.3]",)),
    Mutation("the first picture of a run in the place of the last", WRITE,
             "images.read_image(grids[-1], 3)", "images.read_image(grids[0], 3)",
             (ROAD + "pictures_of_samples_are_those_of_the_runs",)),
    # Judges.
    Mutation("the judge has the run's seed", CONSULTED,
             "classifier([d], EVALUATION)",
             "classifier([d], EVALUATION | {'seed': 0})", JUDGES),
    Mutation("one judge of all domains", CONSULTED,
             "classifier([d], EVALUATION)", "classifier(domains, EVALUATION)", JUDGES),
)
