"""What every trainer has to keep, whatever its algorithm: checks of one played iteration.

They know of a trainer, a term or a network what it declares, and nothing by name: what is added to
a registry is checked by the same functions.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from gantrain import images
from gantrain.config import every_option
from gantrain.game import Player
from gantrain.terms import Term
from gantrain.trainer import Generates, Shows


def switched_on(*couplings):
    """Options that switch couplings on with the weight of their bare flag."""
    fields = every_option()
    return {
        name: fields[name].metadata["two"] or fields[name].metadata["const"] for name in couplings
    }


def terms_of(trainer):
    """The terms that a trainer plays, from whichever attributes hold them."""
    return [
        term
        for value in vars(trainer).values()
        for term in tf.nest.flatten(value)
        if isinstance(term, Term)
    ]


def weights_in_reach(trainer):
    """Every weight that anything could move, those of networks that terms consult too, by id."""
    found = [net for player in trainer.players.values() for net in player.networks]
    for term in terms_of(trainer):
        held = [getattr(v, "model", v) for v in tf.nest.flatten(list(vars(term).values()))]
        found += [net for net in held if isinstance(net, keras.Model)]
    return {id(w): w for net in found for w in net.trainable_variables}


class Played:
    """One eager iteration of a session from its first weights.

    Attributes:
        logs: what the iteration gave.
        moves: {player: [ids of the weights that moved in each of its updates]}.
        terms: {player: the terms of its last objective, {name: (weight, value)}}.
        first: trainable weights of every averaged network, before the iteration.
    """

    def __init__(self, session):
        self.session, self.trainer = session, session.trainer
        self.moves, self.terms = {}, {}
        self.first = [
            tiny.values(net.trainable_variables)
            for average in self.trainer.averages
            for net in average.sources
        ]
        descend, reach = Player.descend_keeping, weights_in_reach(session.trainer)

        def watched(player, objective):
            before = tiny.values(reach.values())

            def noted():
                made = objective()
                self.terms[player.name] = made[0]
                return made

            made = descend(player, noted)
            self.moves.setdefault(player.name, []).append(
                {
                    key
                    for old, (key, w) in zip(before, reach.items(), strict=True)
                    if not np.array_equal(old, w)
                }
            )
            return made

        tf.config.run_functions_eagerly(True)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Player, "descend_keeping", watched)
                self.reported = session.trainer.report()
                self.logs = session.iterate(0) | self.reported
        finally:
            tf.config.run_functions_eagerly(False)


def logs_are_finite_float32_scalars(played):
    for name, value in played.logs.items():
        assert value.dtype == tf.float32, name
        assert value.shape == (), name
        assert np.isfinite(value), name


def log_keys_are_the_declared_terms(played):
    declared = played.trainer.logs()
    assert set(declared) == set(played.trainer.players)
    decay = played.session.config.flat()["weight_decay"]
    own = {"loss", "grad_norm"} | ({"l2"} if decay else set())
    expected = {f"{player}/{term}" for player, terms in declared.items() for term in own | {*terms}}
    assert set(played.logs) == expected | set(played.reported)
    assert all(len(set(terms)) == len(terms) for terms in declared.values())


def the_loss_is_the_weighted_sum_of_its_terms(played):
    for player, terms in played.terms.items():
        total = sum(float(weight) * float(value) for weight, value in terms.values())
        assert float(played.logs[f"{player}/loss"]) == pytest.approx(total, rel=1e-4, abs=1e-5)
        for name, (_, value) in terms.items():
            assert float(played.logs[f"{player}/{name}"]) == pytest.approx(float(value), abs=1e-6)


def each_player_moves_exactly_its_own_weights(played):
    players = played.trainer.players
    assert set(played.moves) == set(players)
    for name, moves in played.moves.items():
        own = {id(w) for w in players[name].weights}
        assert len(own) == len(players[name].weights)
        for moved in moves:
            assert moved <= own, f"{name} moved weights of another player"
        # The gradient of a difference of means is zero in the bias of the last layer.
        idle = [
            w.path
            for w in players[name].weights
            if id(w) not in set().union(*moves) and not w.path.endswith("bias")
        ]
        assert not idle, f"{name} left its own weights where they were"


def every_player_updates_as_often_as_its_box_says(played):
    """Every real batch of an iteration serves one update of the discriminators."""
    for name, moves in played.moves.items():
        assert len(moves) == (played.trainer.per_step if name == "discriminators" else 1)


def averages_follow_the_generators_that_have_moved(played):
    """After the first step an average is 1/10 of the first weights and 9/10 of the moved ones."""
    pairs = [
        (source, shadow)
        for average in played.trainer.averages
        for source, shadow in zip(average.sources, average.networks, strict=True)
    ]
    for old, (source, shadow) in zip(played.first, pairs, strict=True):
        for a, b, c in zip(
            old, source.trainable_variables, shadow.trainable_variables, strict=True
        ):
            np.testing.assert_allclose(c, 0.1 * a + 0.9 * np.asarray(b), rtol=1e-5, atol=1e-7)


def no_two_players_share_a_weight(played):
    every = [id(w) for player in played.trainer.players.values() for w in player.weights]
    assert len(every) == len(set(every))


def the_checkpoint_holds_every_variable_once(played):
    trainer = played.trainer
    held = {id(v) for v in trainer.variables()}
    assert len(held) == len(trainer.variables())
    for player in trainer.players.values():
        for net in player.networks:
            assert {id(v) for v in net.variables} <= held
        assert {id(v) for v in player.optimizer.variables} <= held
    for average in trainer.averages:
        for net in average.networks:
            assert {id(v) for v in net.variables} <= held


def networks_attach_no_losses_of_their_own(played):
    for player in played.trainer.players.values():
        for net in player.networks:
            assert net.losses == []


def samples_are_images_in_range(played):
    trainer, domains = played.trainer, played.session.domains
    if isinstance(trainer, Shows):
        pairs = [images.to_float(d.pixels(range(3))) for d in domains]
        for row in trainer.gallery(*pairs):
            assert row.shape == (3, 32, 32, 3) and np.abs(row).max() <= 1
    if isinstance(trainer, Generates):
        made = [np.asarray(v) for v in trainer.samples(trainer.latents(3, 0))]
        assert len(made) == len(domains)
        for image, domain in zip(made, domains, strict=True):
            assert image.shape == (3, *domain.shape) and image.dtype == np.float32
            if len(domain.shape) == 3:
                assert np.abs(image).max() <= 1


def models_have_names_of_files(played):
    for name, model in played.trainer.models().items():
        assert name.isidentifier() and isinstance(model, keras.Model)


CHECKS = (
    logs_are_finite_float32_scalars,
    log_keys_are_the_declared_terms,
    the_loss_is_the_weighted_sum_of_its_terms,
    each_player_moves_exactly_its_own_weights,
    every_player_updates_as_often_as_its_box_says,
    averages_follow_the_generators_that_have_moved,
    no_two_players_share_a_weight,
    the_checkpoint_holds_every_variable_once,
    networks_attach_no_losses_of_their_own,
    samples_are_images_in_range,
    models_have_names_of_files,
)
