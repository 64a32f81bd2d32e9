"""What a run is worth: one file a metric, each with its equation, what it asks for and its entry.

`streams` has what is measured, the images of a run; `evaluate` measures a run and keeps the values
with all that they depend on.
"""

from gantrain.measures import (
    adaptation,
    agreement,
    classifier_frechet,
    coherence,
    cross,
    fcn,
    inception,
    lpips,
    lpips_cross,
    modes,
    pixels,
)

METRICS = {
    "coherence": coherence.METRIC,
    "lpips": lpips.METRIC,
    "lpips_cross": lpips_cross.METRIC,
    "adaptation": adaptation.METRIC,
    "cross": cross.METRIC,
    "classifier_frechet": classifier_frechet.METRIC,
    "inception": inception.METRIC,
    "modes": modes.METRIC,
    "agreement": agreement.METRIC,
    "fcn": fcn.METRIC,
    "pixels": pixels.METRIC,
}
