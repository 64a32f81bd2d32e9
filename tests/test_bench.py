"""Speed: the operation counter against counts by hand, the report on tiny settings."""

import re

import pytest
import tensorflow as tf

from gantrain import commands
from gantrain.bench import count as counting
from gantrain.bench import measure, profile, programs
from gantrain.errors import UserError


def count(function, *shapes):
    """Operations of a function of float32 tensors of the given shapes."""
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    return counting.flops(tf.function(function).get_concrete_function(*specs))


def convolution_gradients(images, kernel, strides):
    with tf.GradientTape() as tape:
        tape.watch([images, kernel])
        loss = tf.reduce_sum(tf.square(tf.nn.conv2d(images, kernel, strides, "SAME")))
    return tape.gradient(loss, [images, kernel])


def test_matrix_products():
    assert count(tf.matmul, (3, 5), (5, 7)) == 2 * 3 * 5 * 7
    assert count(lambda a, b: tf.matmul(a, b, transpose_a=True), (5, 3), (5, 7)) == 2 * 3 * 5 * 7
    assert count(tf.matmul, (4, 3, 5), (4, 5, 7)) == 4 * 2 * 3 * 5 * 7
    assert count(lambda a, b: tf.matmul(a, b, adjoint_a=True), (4, 5, 3), (4, 5, 7)) == 840


def test_a_convolution():
    # Each of 2 x 8 x 8 x 5 outputs sums 3 x 3 x 4 products.
    assert count(lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"), (2, 8, 8, 4), (3, 3, 4, 5)) == 2 * (
        2 * 8 * 8 * 5
    ) * (3 * 3 * 4)


def test_a_transposed_convolution():
    # Each of 2 x 8 x 8 x 4 inputs is spread with a kernel of 3 x 3 x 5.
    assert count(
        lambda x, w: tf.nn.conv2d_transpose(x, w, (2, 16, 16, 5), 2, "SAME"),
        (2, 8, 8, 4),
        (3, 3, 5, 4),
    ) == 2 * (2 * 8 * 8 * 4) * (3 * 3 * 5)


def test_both_gradients_of_a_convolution_cost_what_it_costs():
    forward = 2 * (2 * 4 * 4 * 5) * (3 * 3 * 4)
    assert (
        count(lambda x, w: convolution_gradients(x, w, 2), (2, 8, 8, 4), (3, 3, 4, 5))
        == 3 * forward
    )


def test_what_reaches_no_result_costs_nothing():
    forward = 2 * (2 * 8 * 8 * 5) * (3 * 3 * 4)
    assert (
        count(lambda x, w: convolution_gradients(x, w, 1)[1], (2, 8, 8, 4), (3, 3, 4, 5))
        == 2 * forward
    )


def test_nested_functions_and_assignments_count():
    weight = tf.Variable(tf.ones((5, 7)))

    @tf.function
    def product(a):
        return tf.matmul(a, weight)

    def step(a):
        weight.assign_add(tf.matmul(a, product(a), transpose_a=True))
        return 0.0

    assert count(step, (3, 5)) == 2 * 3 * 5 * 7 + 2 * 5 * 3 * 7


def tiny(monkeypatch):
    """The report on settings that take seconds."""
    for name, value in dict(
        NARROW=0.5, MATRIX=16, CONVOLUTIONS=((1, 8, 4), (2, 8, 4)), SLOT=1e-6
    ).items():
        monkeypatch.setattr(measure, name, value)
    monkeypatch.setattr(programs, "IMAGES", 250)
    own = {"net": "plain", "classifier_net": "plain"}
    monkeypatch.setitem(programs.PROGRAMS, "scogan", programs._digits(programs.SLFR | own))


def test_the_report_names_every_measurement(monkeypatch, tmp_path):
    tiny(monkeypatch)
    monkeypatch.chdir(tmp_path)
    options = commands.Bench(
        batch_size=2,
        n_critic=1,
        iterations=3,
        steps=20,
        precision="float32,mixed_bfloat16",
        profile=True,
    )
    text = "\n".join(measure.report(options))
    for pattern in (
        r"float32: built in .* s, compiled .* best 3x3 convolution \d+, matrix product \d+ GFLOP/s",
        r"mixed_bfloat16: memory on paper \d+ MB \(weights and moments \d+",
        r"step: scogan, plain at width 1, 32 pixels, batch 2, n_critic 1: .* GFLOP",
        r"mixed_bfloat16: .* s \(median of 3\), .* iterations and \d+ images per second",
        r"own convolutions and products, each run alone: .* % of the step",
        r"share of the convolution peak .* \d+ %",
        r"mixed_bfloat16 takes \d+\.\d\d of the time of float32",
        r"% +[\d.e+]+ ms +\d.* x \w*Conv2D",
        r"% casts",
        r"step at width 0.5: \d+ ms compiled, \d+ ms eagerly, \d+\.\d times",
        r"input wait: \d+\.\d\d % of the time of 20 steps",
        r"MB per 1,000 steps",
    ):
        assert re.search(pattern, text), pattern
    assert not list(tmp_path.iterdir())


def test_figures_are_stored_and_compared(monkeypatch, tmp_path):
    tiny(monkeypatch)
    options = dict(batch_size=2, n_critic=1, iterations=3, only="peak")
    first = str(tmp_path / "first.json")
    list(measure.report(commands.Bench(**options, output=first)))
    text = "\n".join(measure.report(commands.Bench(**options, compare=first)))
    assert re.search(r"float32 against .*first.json: \d+\.\d\d times the images per second", text)
    with pytest.raises(UserError, match="it measured scogan, not quick"):
        list(measure.report(commands.Bench(program="quick", compare=first)))
    (tmp_path / "other.json").write_text("[]")
    for name, reason in (("other.json", "no file that bench"), ("none.json", "No such file")):
        with pytest.raises(UserError, match=f"--compare .*{name}: {reason}"):
            list(measure.report(commands.Bench(compare=str(tmp_path / name))))


@pytest.mark.parametrize("name", sorted(programs.PROGRAMS))
def test_every_program_is_built_as_asked(name, tmp_path):
    options = commands.Bench(program=name, batch_size=3, n_critic=2)
    opened = programs.program(options, "mixed_bfloat16", 0.0625, str(tmp_path))
    flat = opened.config.flat()
    assert flat["gan_type"] == {"quick": "scogan"}.get(name, name)
    assert (flat["batch_size"], flat["width"], flat["precision"]) == (3, 0.0625, "mixed_bfloat16")
    assert flat.get("n_critic", 2) == 2


def test_memory_on_paper():
    def step(a):
        b = tf.matmul(a, a)  # 4 x 4 floats, held beside c until d is made
        c = tf.exp(b)
        d = tf.concat([b, c], 0)
        return tf.reduce_sum(d)

    graph = tf.function(step).get_concrete_function(tf.TensorSpec((4, 4))).graph
    assert 4 * 64 <= counting.held(graph) <= 4 * 64 + 16


def test_a_trace_is_summed_by_operation():
    one = tf.random.stateless_normal((64, 64), (0, 1))
    run = tf.function(lambda step: tf.reduce_sum(tf.matmul(one, tf.exp(one))))
    run(0)
    text = "\n".join(profile.lines(run, 3))
    assert re.search(r"profile of 3 iterations, .* ms each", text)
    assert "MatMul" in text


def test_one_measurement_alone():
    options = commands.Bench(steps=0, only="memory")
    assert list(measure.report(options)) == []


def test_resident_memory_sees_an_allocation():
    before = measure.resident_megabytes()
    if not before:
        pytest.skip("no /proc")
    held = bytearray(64 << 20)
    held[::4096] = b"x" * len(held[::4096])
    assert 50 < measure.resident_megabytes() - before < 100
    del held


def test_every_counted_operation_can_be_run_alone():
    """One of every kind, twice: as often as it stands in the call, with its own shapes."""

    def step(x, w, k, a, b):
        one, other = convolution_gradients(x, w, 2)
        return (
            tf.nn.conv2d(x, w, 1, [[0, 0], [1, 0], [0, 1], [0, 0]]),
            one,
            other,
            tf.nn.conv2d_transpose(x, k, (2, 16, 16, 5), 2, "SAME"),
            tf.matmul(a, b),
            tf.matmul(a, b + 1.0),
            tf.matmul(a[None], b[None]),
        )

    specs = [tf.TensorSpec(s) for s in [(2, 8, 8, 4), (3, 3, 4, 5), (3, 3, 5, 4), (3, 5), (5, 7)]]
    function = tf.function(step).get_concrete_function(*specs)
    ran = []

    class Runtime:
        @staticmethod
        def function(run):
            ran.append(float(run()))
            return tf.function(run)

    seconds = counting.alone(Runtime, function)
    assert 0 < seconds < 5
    assert len(ran) == len({counting._kind(op) for op in counting._multiplying(function.graph)})
    types = [op.type for op in counting._multiplying(function.graph)]
    assert set(counting._MULTIPLY_ADDS) - set(types) <= {"BatchMatMulV2", "BatchMatMulV3"}
    assert types.count("MatMul") == 2
