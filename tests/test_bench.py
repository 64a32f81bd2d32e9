"""Speed: the operation counter against counts by hand, the report on tiny settings."""

import re

import pytest
import tensorflow as tf

from gantrain import bench, commands


def count(function, *shapes):
    """Operations of a function of float32 tensors of the given shapes."""
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    return bench.flops(tf.function(function).get_concrete_function(*specs))


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


def test_the_report_names_every_measurement(monkeypatch, tmp_path):
    for name, value in dict(
        NET="plain",
        CLASSIFIER="plain",
        NARROW=0.5,
        IMAGES=250,
        MATRIX=16,
        CONVOLUTIONS=((1, 8, 4), (2, 8, 4)),
        SLOT=1e-6,
    ).items():
        monkeypatch.setattr(bench, name, value)
    monkeypatch.chdir(tmp_path)
    options = commands.Bench(batch_size=2, n_critic=1, iterations=3, steps=20)
    text = "\n".join(bench.report(options))
    for pattern in (
        r"3x3 convolution, 1 x 8 x 8 x 4: \d+ GFLOP/s",
        r"matrix product, 16 x 16: \d+ GFLOP/s",
        r"step: scogan, plain at width 1, 32 pixels, batch 2, n_critic 1: .* s ",
        r"own convolutions and products, each run alone: .* % of the step",
        r"share of the convolution peak .* \d+ %",
        r"step at width 0.5: \d+ ms compiled, \d+ ms eagerly, \d+\.\d times",
        r"input wait: \d+\.\d\d % of the time of 20 steps",
        r"MB per 1,000 steps",
    ):
        assert re.search(pattern, text), pattern
    assert not list(tmp_path.iterdir())


def test_one_measurement_alone():
    options = commands.Bench(steps=0, only="memory")
    assert list(bench.report(options)) == []


def test_resident_memory_sees_an_allocation():
    before = bench.resident_megabytes()
    if not before:
        pytest.skip("no /proc")
    held = bytearray(64 << 20)
    held[::4096] = b"x" * len(held[::4096])
    assert 50 < bench.resident_megabytes() - before < 100
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

    seconds = bench.alone(Runtime, function)
    assert 0 < seconds < 5
    assert len(ran) == len({bench._kind(op) for op in bench._multiplying(function)})
    types = [op.type for op in bench._multiplying(function)]
    assert set(bench._MULTIPLY_ADDS) - set(types) <= {"BatchMatMulV2", "BatchMatMulV3"}
    assert types.count("MatMul") == 2
