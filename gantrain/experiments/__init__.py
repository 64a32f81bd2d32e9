"""The tables and figures of the source documents as data, by name; and what runs them."""

from gantrain.experiments import figures, thesis, translation

EXPERIMENTS = thesis.EXPERIMENTS | translation.EXPERIMENTS | figures.EXPERIMENTS
