"""What `tests/mutate.py` applies: mistakes of the algorithms, and between a run and a number."""

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

CONFORMANCE, PENALTY = "tests/test_conformance.py::test_", "tests/test_penalties.py::test_"
CYCLEGAN, PIX2PIX = "gantrain/trainers/cyclegan.py", "gantrain/trainers/pix2pix.py"
CUT, PATCH_NCE = "gantrain/trainers/cut.py", "gantrain/terms/patch_nce.py"
NETS_BUILD = "gantrain/nets/build.py"
FROM_NOISE, OPTIMIZERS = "gantrain/trainers/from_noise.py", "gantrain/optimizers.py"
GAME, ADVERSARIAL = "gantrain/game.py", "gantrain/terms/adversarial.py"
LOSSES, PENALTIES = "gantrain/terms/losses.py", "gantrain/terms/penalties.py"


def _keeps(variant):
    return (CONFORMANCE + "a_trainer_keeps", "-k", variant)


CYCLEGAN_STEP = """\
        logs, made = self.players["generators"].descend_keeping(
            lambda: self.generator_objective(real[0][0], real[0][1], draw)
        )
        for i, (x, y) in enumerate(real):
            fake = self.translated(x, y) if i else made
            fake = {name: pool.exchange(fake[name], draw) for name, pool in self.pool.items()}
            logs |= self.players["discriminators"].descend(
                lambda x=x, y=y, fake=fake, i=i: self.discriminator_objective(x, y, fake, draw, i)
            )
"""
PIX2PIX_STEP = """\
        logs, fake = self.players["generators"].descend_keeping(
            lambda: self.generator_objective(*pairs[0], draw)
        )
        for i, (x, y) in enumerate(pairs if self.D else []):
            fake = self.G(x, training=True) if i else fake
            logs |= self.players["discriminators"].descend(
                lambda x=x, y=y, fake=fake, i=i: self.discriminator_objective(x, y, fake, draw, i)
            )
"""
CUT_STEP = """\
        logs, fake = self.players["generators"].descend_keeping(
            lambda: self.generator_objective(real[0][0], real[0][1], draw)
        )
        for i, (x, y) in enumerate(real):
            fake = self.G(x, training=True) if i else fake
            logs |= self.players["discriminators"].descend(
                lambda y=y, fake=fake, i=i: self.discriminator_objective(y, fake, draw, i)
            )
"""
OWN_BATCH = (CONFORMANCE + "every_critic_update_of_a_translator_has_its_own_batch",)
DRAWS = (CONFORMANCE + "the_game_draws_as_its_box_says",)
GOLDEN_LOSSES = ("tests/test_losses.py::test_golden_values",)
LAZY = (PENALTY + "a_lazy_penalty_is_applied_on_every_kth_update_with_k_times_the_weight",)
AUGMENTED = (CONFORMANCE + "both_players_see_both_sides_augmented",)
RATES = (CONFORMANCE + "each_player_has_its_own_rates",)
HEADS = (PENALTY + "label_heads_against_numpy",)
PAPER = (CONFORMANCE + "cyclegan_terms_are_those_of_the_paper",)
CUT_PAPER, NCE = CONFORMANCE + "cut_terms_are_those_of_the_paper", "tests/test_patch_nce.py"
TARGETS = (CONFORMANCE + "pix2pix_takes_the_nearest_target_and_shows_all_of_them",)

MUTATIONS = (
    # The six of the issue, and the one that was seen.
    Mutation(
        "domains 1 and 2 swapped in a table",
        THESIS,
        ('        "lpips/generated_{0}~real_{0}",\n        "lpips/generated_{1}~real_{1}",\n'),
        ('        "lpips/generated_{1}~real_{1}",\n        "lpips/generated_{0}~real_{0}",\n'),
        _table("table5.4"),
    ),
    Mutation(
        "names of the domains in another order in every table",
        TABLE,
        "domains, values = [d.name for d in directory.domains()], {}",
        "domains, values = [d.name for d in directory.domains()][::-1], {}",
        _table("table3.3"),
    ),
    Mutation(
        "generated images against the other domain's reals",
        STREAMS,
        "{name: (self.of_domain(i), self.real(i)) for i, name",
        "{name: (self.of_domain(i), self.real(0 if i else 1)) for i, name",
        _metric("classifier_frechet"),
    ),
    Mutation(
        "LPIPS against the other domain's reals",
        MEASURES + "lpips.py",
        'yield f"generated_{name}~real_{name}", e.of_domain(i), e.real(i)',
        'yield f"generated_{name}~real_{name}", e.of_domain(i), e.real(0 if i else 1)',
        _metric("lpips"),
    ),
    Mutation(
        "labels in another order than the images in cross coherence",
        MEASURES + "cross.py",
        "            domain.truth()[order],\n",
        "            domain.truth()[np.sort(order)],\n",
        _metric("cross"),
    ),
    Mutation(
        "FCN score against the photograph instead of the label map",
        MEASURES + "fcn.py",
        "((out, x) for x, out, _ in e.translations())",
        "((out, y) for _, out, y in e.translations())",
        _metric("fcn"),
    ),
    Mutation(
        "the same order of reals in both domains",
        STREAMS,
        "np.random.default_rng([self.seed, number, again])",
        "np.random.default_rng([self.seed, again])",
        _metric("lpips"),
    ),
    Mutation(
        "the judge has the semantic loss's own architecture",
        CONSULTED,
        '"evaluation": dict(',
        '"compact": dict(',
        JUDGES,
    ),
    # Streams.
    Mutation(
        "the same order of reals in the floor of LPIPS",
        MEASURES + "lpips.py",
        "e.real(i), e.real(i, again=1)",
        "e.real(i), e.real(i)",
        _metric("lpips"),
    ),
    Mutation(
        "the order of reals does not heed the seed",
        STREAMS,
        "np.random.default_rng([self.seed, number, again])",
        "np.random.default_rng([0, number, again])",
        _metric("lpips"),
    ),
    Mutation(
        "samples do not heed the seed",
        STREAMS,
        "trainer.latents(self.num, self.seed)",
        "trainer.latents(self.num, 0)",
        _metric("coherence"),
    ),
    Mutation(
        "the number of real images is ignored",
        STREAMS,
        "        return _batches(domain, order[: self.num])\n",
        "        return _batches(domain, order)\n",
        _metric("classifier_frechet"),
    ),
    Mutation(
        "the number of samples is ignored",
        STREAMS,
        "trainer.latents(self.num, self.seed)",
        "trainer.latents(100, self.seed)",
        _metric("modes"),
    ),
    Mutation(
        "the number of test examples is ignored",
        STREAMS,
        "range(min(self.num, paired or source.size))",
        "range(paired or source.size)",
        _metric("fcn"),
    ),
    Mutation(
        "reals of the test part",
        STREAMS,
        "        domain = self.domains[number]\n",
        "        domain = self.test[number]\n",
        _metric("classifier_frechet"),
    ),
    Mutation(
        "the test part is the training part",
        BUILD,
        'chosen_domains(self.config, "test")',
        'chosen_domains(self.config, "train")',
        _metric("cross"),
    ),
    Mutation(
        "translations are compared with the domain they come from",
        STREAMS,
        "target = self.test[0 if back else 1]",
        "target = self.test[1 if back else 0]",
        _metric("inception"),
    ),
    Mutation(
        "translations of the other direction",
        STREAMS,
        "                (out for _, out, _ in self.translations(way)),\n",
        "                (out for _, out, _ in self.translations(None)),\n",
        _metric("inception"),
    ),
    # Measures.
    Mutation(
        "deviation in the place of the mean of LPIPS",
        MEASURES + "lpips.py",
        '{f"lpips/{name}": d["mean"], f"lpips_std/{name}": d["std"]}',
        '{f"lpips/{name}": d["std"], f"lpips_std/{name}": d["mean"]}',
        _metric("lpips"),
    ),
    Mutation(
        "cross LPIPS within the domain",
        MEASURES + "lpips_cross.py",
        '(f"generated_{one}~real_{other}", e.of_domain(i), e.real(j))',
        '(f"generated_{one}~real_{other}", e.of_domain(j), e.real(j))',
        _metric("lpips_cross"),
    ),
    Mutation(
        "judges of the domains in another order",
        "gantrain/use/measured.py",
        "lambda: judging_classifiers(domains, network)",
        "lambda: judging_classifiers(domains[::-1], network)",
        _metric("coherence"),
    ),
    Mutation(
        "real and made exchanged: precision is recall",
        MEASURES + "frechet.py",
        "in distances(true, fake, network, seed)",
        "in distances(fake, true, network, seed)",
        _metric("classifier_frechet"),
    ),
    Mutation(
        "the map of the other domain in pixel agreement",
        MEASURES + "agreement.py",
        "                (m[0] for m in both[0]), (m[i] for m in both[1]), TRANSFORMS[name]\n",
        "                (m[i] for m in both[0]), (m[0] for m in both[1]), TRANSFORMS[name]\n",
        _metric("agreement"),
    ),
    Mutation(
        "classes of the samples against those of the other domain",
        MEASURES + "modes.py",
        "label_coverage(labels, domain.truth(), len(domain.classes))",
        "label_coverage(labels, e.domains[i - 1].truth(), len(domain.classes))",
        _metric("modes"),
    ),
    Mutation(
        "adaptation reads the first domain's labels as the source's",
        "gantrain/terms/labels.py",
        "number = names.index(name) if name else 0",
        "number = 0",
        _metric("adaptation"),
    ),
    Mutation(
        "the ceiling of the FCN score of generated photographs",
        MEASURES + "fcn.py",
        'f"fcn/ceiling_{k}": v for k, v in real.items()',
        'f"fcn/ceiling_{k}": v for k, v in made.items()',
        _metric("fcn"),
    ),
    # The run.
    Mutation(
        "raw weights in the place of averaged ones",
        "gantrain/trainer.py",
        "return self.averages[0].networks if self.averages else networks",
        "return networks",
        (ROAD + "a_picture_of_samples_is_exact",),
    ),
    Mutation(
        "the newest state in the place of the best",
        "gantrain/stages.py",
        "directory.restore(run.trainer.state(), best=True)",
        "directory.restore(run.trainer.state())",
        _metric("lpips"),
    ),
    Mutation(
        "the oldest checkpoint in the place of the newest",
        "gantrain/runs/directory.py",
        "self.checkpoints()[::-1]",
        "self.checkpoints()",
        _metric("coherence"),
    ),
    Mutation(
        "--domains in the data set's order",
        DOMAINS,
        "domains = [by_name[n] for n in wanted]",
        "domains = [d for d in domains if d.name in wanted]",
        (ROAD + "a_picture_of_samples_is_exact",),
    ),
    Mutation(
        "--direction b2a leaves the domains as they are",
        DOMAINS,
        "return domains[::-1] if turned(config) else domains, unsure",
        "return domains, unsure",
        _metric("pixels"),
    ),
    # Tables.
    Mutation(
        "the published number of another column",
        WRITE,
        "                    arm.published.get(row.label),\n",
        "                    experiment.arms[0].published.get(row.label),\n",
        _table("table5.3"),
    ),
    Mutation(
        "the published number of another column in Markdown",
        WRITE,
        "                    number(arm.published.get(row.label)),\n",
        "                    number(experiment.arms[-1].published.get(row.label)),\n",
        (ROAD + "a_table_says_the_same_in_every_form[table5.3]",),
    ),
    Mutation(
        "labels of two rows exchanged in one table",
        THESIS,
        'keys = [f"lpips/generated_{{{i}}}~real_{{{j}}}"',
        'keys = [f"lpips/generated_{{{j}}}~real_{{{i}}}"',
        (ROAD + "labels_say_what_their_rows_read",),
    ),
    Mutation(
        "two published numbers exchanged",
        THESIS,
        '    "table3.6": _cross("3.6", "apple2orange", 128, (0.7345, 0.7756, 0.7402, 0.7169)),\n',
        '    "table3.6": _cross("3.6", "apple2orange", 128, (0.7345, 0.7402, 0.7756, 0.7169)),\n',
        (ROAD + "published_numbers_are_in_their_cells",),
    ),
    Mutation(
        "a seed is left out",
        TABLE,
        "for seed in range(asked.seeds)]",
        "for seed in range(max(1, asked.seeds - 1))]",
        _table("table5.2"),
    ),
    Mutation(
        "all seeds are the first",
        TABLE,
        "options(experiment, arm, asked, seed))",
        "options(experiment, arm, asked, 0))",
        _table("table5.2"),
    ),
    Mutation(
        "deviation of the population",
        TABLE,
        "statistics.stdev(",
        "statistics.pstdev(",
        _table("table5.2"),
    ),
    Mutation(
        "another stand-in",
        TABLE,
        "return here[0] if here else wanted",
        "return here[-1] if here else wanted",
        _table("table5.2"),
    ),
    Mutation(
        "the first logged value in the place of the last",
        TABLE,
        "logged[1][-1] if logged[1] else",
        "logged[1][0] if logged[1] else",
        _table("figure7.1"),
    ),
    Mutation(
        "the distance itself in the place of its growth",
        TABLE,
        "first = lines[0][key] if lines and kind",
        "first = 0.0 if lines and kind",
        _table("figure4.1"),
    ),
    Mutation(
        "the game of another section",
        THESIS,
        '            {"cogan": DCGAN},\n',
        "            {},\n",
        ("tests/test_arms.py::test_a_full_run_has_the_settings_that_its_source_prints[table5.3]",),
    ),
    Mutation(
        "another seed of measurement in tables",
        TABLE,
        "found = evaluate(path, tuple(names), num, MEASURED_SEED) if names else {}",
        "found = evaluate(path, tuple(names), num, 0) if names else {}",
        _table("table3.3"),
    ),
    Mutation(
        "rows of the FCN score exchange truth and ceiling",
        OF_IMAGES,
        '("", ""), (" (ground truth)", "ceiling_")',
        '("", "ceiling_"), (" (ground truth)", "")',
        _table("objectives"),
    ),
    Mutation(
        "cycle rows of the other domain",
        OF_IMAGES,
        'Row("Cycle L1, domain 1", "pixels/cycle_l1/{0}")',
        'Row("Cycle L1, domain 1", "pixels/cycle_l1/{1}")',
        _table("cycle_weights"),
    ),
    Mutation(
        "bars of another arm",
        WRITE,
        "cells = [result.cells[row.label, name] for name in names]",
        "cells = [result.cells[row.label, name] for name in names[::-1]]",
        (ROAD + "bars_are_the_table[table5.3]",),
    ),
    Mutation(
        "the first picture of a run in the place of the last",
        WRITE,
        "images.read_image(grids[-1], 3)",
        "images.read_image(grids[0], 3)",
        (ROAD + "pictures_of_samples_are_those_of_the_runs",),
    ),
    # Judges.
    Mutation(
        "the judge has the run's seed",
        CONSULTED,
        "classifier([d], options)",
        "classifier([d], options | {'seed': 0})",
        JUDGES,
    ),
    Mutation(
        "one judge of all domains",
        CONSULTED,
        "classifier([d], options)",
        "classifier(domains, options)",
        JUDGES,
    ),
    Mutation(
        "the ceiling of labels in another order than the images",
        MEASURES + "coherence.py",
        "labels.append(domain.truth()[order])",
        "labels.append(domain.truth()[: len(order)])",
        _metric("coherence"),
    ),
    Mutation(
        "the ceiling of all images in the place of equal labels",
        MEASURES + "coherence.py",
        "r.chosen[:, t == y, a]",
        "r.chosen[:, t > -1, a]",
        _metric("coherence"),
    ),
    Mutation(
        "unanimity of the first judges alone",
        MEASURES + "coherence.py",
        "chosen == chosen[0, 0], axis=(0, 1)",
        "chosen[:, :1] == chosen[0, 0], axis=(0, 1)",
        _metric("coherence"),
    ),
    Mutation(
        "the least sure pairs on the sheet of the surest",
        "gantrain/use/sheets.py",
        "np.argsort(-sure, ",
        "np.argsort(sure, ",
        (ROAD + "sheets_of_pairs_are_exact",),
    ),
    # The algorithms: updates and their batches.
    Mutation(
        "one discriminator update a step in cyclegan",
        CYCLEGAN,
        "for i, (x, y) in enumerate(real):",
        "for i, (x, y) in enumerate(real[:1]):",
        OWN_BATCH,
    ),
    Mutation(
        "all discriminator updates of cyclegan have the first batch",
        CYCLEGAN,
        "real = [[domain.images[i] for domain in batch]",
        "real = [[domain.images[0] for domain in batch]",
        OWN_BATCH,
    ),
    Mutation(
        "all discriminator updates of cyclegan judge the first images made",
        CYCLEGAN,
        "self.translated(x, y) if i else made",
        "made",
        OWN_BATCH,
    ),
    Mutation(
        "one discriminator update a step in pix2pix",
        PIX2PIX,
        "enumerate(pairs if self.D else [])",
        "enumerate(pairs[:1] if self.D else [])",
        OWN_BATCH,
    ),
    Mutation(
        "all discriminator updates of pix2pix have the first batch",
        PIX2PIX,
        "[self.pair(batch, i, draw) for i",
        "[self.pair(batch, 0, draw) for i",
        OWN_BATCH,
    ),
    Mutation(
        "all discriminator updates of pix2pix judge the first images made",
        PIX2PIX,
        "fake = self.G(x, training=True) if i else fake",
        "fake = fake",
        OWN_BATCH,
    ),
    Mutation(
        "one discriminator update a step in gan",
        "gantrain/trainers/gan.py",
        "for i in range(self.per_step):",
        "for i in range(1):",
        _keeps("gan-every_option"),
    ),
    Mutation(
        "all discriminator updates have the first batch",
        FROM_NOISE,
        "[domain.images[update] for domain in batch]",
        "[domain.images[0] for domain in batch]",
        DRAWS,
    ),
    Mutation(
        "every domain has its own noise",
        FROM_NOISE,
        "[nets.generate(g, z, training=True) for g in self.G]",
        "[nets.generate(g, self.noise(draw), training=True) for g in self.G]",
        DRAWS,
    ),
    Mutation(
        "generators and discriminators of an update share their noise",
        "gantrain/trainers/cogan.py",
        "self.adversarial.of_generators(self.play(batch, draw, i))",
        "self.adversarial.of_generators(play)",
        DRAWS,
    ),
    *(
        Mutation(
            f"the average is stepped before the generator of {name}",
            f"gantrain/trainers/{name}.py",
            old + "        self.follow(draw)\n",
            "        self.follow(draw)\n" + old,
            _keeps(variant),
        )
        for name, variant, old in (
            (
                "gan",
                "gan-every_option",
                '        logs |= self.players["generators"].descend(\n'
                "            lambda: self.adversarial.of_generators(self.play(batch, draw, i))\n"
                "        )\n",
            ),
            (
                "scogan",
                "scogan-all",
                '        logs |= self.players["generators"].descend('
                "lambda: self.coupled(self.play(batch, draw, i)))\n",
            ),
        )
    ),
    *(
        Mutation(
            f"the average is stepped before the generators of {name}",
            file,
            old + "        self.follow(draw)\n",
            "        self.follow(draw)\n" + old,
            _keeps(variant),
        )
        for name, file, variant, old in (
            ("cyclegan", CYCLEGAN, "cyclegan-one", CYCLEGAN_STEP),
            ("pix2pix", PIX2PIX, "pix2pix-targets", PIX2PIX_STEP),
            ("cut", CUT, "cut-fast", CUT_STEP),
        )
    ),
    # Losses.
    Mutation(
        "the sign of the Wasserstein generator",
        LOSSES,
        "return -_mean(fake)",
        "return _mean(fake)",
        GOLDEN_LOSSES,
    ),
    Mutation(
        "the sign of the Wasserstein discriminator",
        LOSSES,
        "return _mean(fake) - _mean(real)",
        "return _mean(real) - _mean(fake)",
        GOLDEN_LOSSES,
    ),
    Mutation(
        "the hinge of the real side",
        LOSSES,
        "tf.nn.relu(1.0 - tf.cast(real",
        "tf.nn.relu(1.0 + tf.cast(real",
        GOLDEN_LOSSES,
    ),
    Mutation(
        "least squares without its half",
        LOSSES,
        "return 0.5 * _mean(tf.square(tf.cast(fake, tf.float32) - 1.0))",
        "return _mean(tf.square(tf.cast(fake, tf.float32) - 1.0))",
        GOLDEN_LOSSES,
    ),
    Mutation(
        "labels are smoothed on the side of generated images",
        LOSSES,
        "_mean(_cross_entropy(real, target)) + _mean(_cross_entropy(fake, 0.0))",
        "_mean(_cross_entropy(real, 1.0)) + _mean(_cross_entropy(fake, 1.0 - target))",
        ("tests/test_losses.py::test_label_smoothing_is_one_sided",),
    ),
    # The game.
    Mutation(
        "no gradient passes from D to G",
        ADVERSARIAL,
        "self.loss.generator(d(fake, training=True))",
        "self.loss.generator(d(tf.stop_gradient(fake), training=True))",
        _keeps("gan-1"),
    ),
    Mutation(
        "a lazy penalty has its plain weight",
        ADVERSARIAL,
        "                o.penalty_weight * o.penalty_every,\n",
        "                o.penalty_weight,\n",
        LAZY,
    ),
    Mutation(
        "a lazy penalty counts steps, not updates",
        ADVERSARIAL,
        "draw.step * self.o.n_critic + update + 1",
        "draw.step + update + 1",
        LAZY,
    ),
    Mutation(
        "only real images are augmented for D",
        ADVERSARIAL,
        "augment(real, o.augment, draw), augment(fake, o.augment, draw)",
        "augment(real, o.augment, draw), fake",
        AUGMENTED,
    ),
    Mutation(
        "generated images are not augmented for G",
        ADVERSARIAL,
        "        fake = augment(fake, self.o.augment, draw)\n",
        "",
        AUGMENTED,
    ),
    Mutation(
        "a gradient penalty at the generated images",
        PENALTIES,
        "alpha * real + (1.0 - alpha) * fake",
        "alpha * 0.0 * real + fake",
        (PENALTY + "gradient_penalty_looks_between_real_and_fake",),
    ),
    Mutation(
        "r1 of generated images",
        PENALTIES,
        "squared_norm(input_gradient(discriminator, real))",
        "squared_norm(input_gradient(discriminator, fake))",
        (PENALTY + "gradient_penalty_looks_between_real_and_fake",),
    ),
    # Players and their optimizers.
    Mutation(
        "the betas of G exchanged",
        OPTIMIZERS,
        "adam(g.g_lr, g.g_beta1, g.g_beta2,",
        "adam(g.g_lr, g.g_beta2, g.g_beta1,",
        RATES,
    ),
    Mutation(
        "D has the rate of G",
        OPTIMIZERS,
        "adam(d.d_lr,",
        "adam(config.of(GeneratorAdam).g_lr,",
        RATES,
    ),
    Mutation(
        "the rate of D falls over the steps, not over its updates",
        OPTIMIZERS,
        "config, steps * per_step)",
        "config, steps)",
        (CONFORMANCE + "rates_fall_over_the_updates_of_each_player",),
    ),
    Mutation(
        "weight decay of weight zero",
        GAME,
        'terms["l2"] = self.weight_decay,',
        'terms["l2"] = 0.0,',
        ("tests/test_player.py::test_weight_decay_is_a_term_over_the_kernels",),
    ),
    Mutation(
        "weights are clipped on one side",
        GAME,
        "tf.clip_by_value(w, -self.clip, self.clip)",
        "tf.minimum(w, self.clip)",
        ("tests/test_player.py::test_clipping_bounds_every_weight",),
    ),
    Mutation(
        "the average and the weight exchanged",
        OPTIMIZERS,
        "d * s + (1.0 - d) * w if",
        "d * w + (1.0 - d) * s if",
        ("tests/test_player.py::test_average_in_closed_form",),
    ),
    # Terms.
    Mutation(
        "features of the last layers",
        "gantrain/terms/feature.py",
        "g.features[: self.o.feature_layers]",
        "g.features[-self.o.feature_layers :]",
        (PENALTY + "feature_regulariser",),
    ),
    Mutation(
        "latent cycle without a gradient to the generators",
        "gantrain/terms/latent_cycle.py",
        "self.encoder(x, training=True)",
        "self.encoder(tf.stop_gradient(x), training=True)",
        (CONFORMANCE + "every_coupling_pulls_every_generator",),
    ),
    Mutation(
        "weights of content and style exchanged",
        "gantrain/terms/perceptual.py",
        '"perceptual_content": (self.weights[0]',
        '"perceptual_content": (self.weights[1]',
        (PENALTY + "perceptual_loss",),
    ),
    Mutation(
        "the semantic loss shows the classifier plain images",
        "gantrain/terms/semantic.py",
        "c(self.view(x, play.draw), training=False)",
        "c(x, training=False)",
        (PENALTY + "semantic_loss_shows_the_classifier_what_it_was_trained_with",),
    ),
    Mutation(
        "the ramp of couplings never rises",
        "gantrain/trainers/scogan.py",
        "rise = tf.minimum(",
        "rise = 0.0 * tf.minimum(",
        (PENALTY + "coupling_weights_rise_from_zero",),
    ),
    Mutation(
        "labels of the last domain are learned",
        "gantrain/terms/labels.py",
        "play.labels[self.source]",
        "play.labels[-1]",
        HEADS,
    ),
    Mutation(
        "the target teaches the source",
        "gantrain/terms/labels.py",
        "self.taught(fake[self.source], self.source, fake[i], i, draw)",
        "self.taught(fake[i], i, fake[self.source], self.source, draw)",
        HEADS,
    ),
    Mutation(
        "shared layers of D are as many as those of G",
        FROM_NOISE,
        "d_shared_layers=o.d_shared_layers",
        "d_shared_layers=o.shared_layers",
        (CONFORMANCE + "the_shared_layers_of_cogan_are_one_layer",),
    ),
    # Translators.
    Mutation(
        "no identity term of one direction",
        CYCLEGAN,
        '            terms[f"identity/{name_x}"] = weight, _l1(x, self.F(x, training=True))\n',
        "",
        PAPER,
    ),
    Mutation(
        "the cycle is that of the input itself",
        CYCLEGAN,
        "self.F(fake[name_y], training=True),",
        "self.F(y, training=True),",
        PAPER,
    ),
    Mutation(
        "the discriminators of cyclegan are not halved",
        CYCLEGAN,
        "                weight=self.adversarial.loss.published / 2,\n",
        "                weight=self.adversarial.loss.published,\n",
        PAPER,
    ),
    *(
        Mutation(name, file, old, new, (test,))
        for name, file, old, new, test in (
            ("PatchNCE of Y is that of X", CUT, "self.contrasted(y, draw)[1]", "nce", CUT_PAPER),
            ("PatchNCE of X has all of its weight", CUT, "(2 if self.o", "(1 if self.o", CUT_PAPER),
            ("features stay mirrored", CUT, "mirrored(f, turned) for f", "f for f", CUT_PAPER),
            ("the sixth block is read", NETS_BUILD, "blocks[:5:4]", "blocks[:6:5]", NCE),
            ("keys of PatchNCE learn", PATCH_NCE, "tf.stop_gradient(k)", "k", NCE),
            ("keys lie at other places", PATCH_NCE, "(keys, other)", "(keys, other[::-1])", NCE),
        )
    ),
    Mutation(
        "D judges past the pool",
        CYCLEGAN,
        "{name: pool.exchange(fake[name], draw) for",
        "{name: fake[name] for",
        (CONFORMANCE + "discriminators_judge_what_the_pool_hands_on",),
    ),
    Mutation(
        "the pool hands on what it was given",
        "gantrain/terms/pool.py",
        "handed.append(tf.where(enters & ~filling, pool[place], image))",
        "handed.append(image)",
        ("tests/test_pool.py::test_the_pool_follows_its_rule",),
    ),
    Mutation(
        "L1 to the farthest target",
        PIX2PIX,
        "tf.reduce_min(distances(fake, y), axis=1)",
        "tf.reduce_max(distances(fake, y), axis=1)",
        TARGETS,
    ),
    Mutation(
        "D sees other inputs beside the targets",
        PIX2PIX,
        "tf.repeat(x, count, axis=0), tf.concat",
        "tf.tile(x, (count, 1, 1, 1)), tf.concat",
        TARGETS,
    ),
    Mutation(
        "random erasing leaves the input as it is",
        PIX2PIX,
        "return erase(x, self.o.random_erasing, draw), (",
        "return x, (",
        (CONFORMANCE + "erasing_reaches_both_players_and_the_input_alone",),
    ),
)
