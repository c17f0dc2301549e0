"""Measures the package against what it is compared with: ratios, interleaved in one run, medians of several."""
