"""Data: sources of images, the data sets made from them, and batches by seed and step."""
