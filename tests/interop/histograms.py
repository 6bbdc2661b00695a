"""Decodes histograms of Causeway with the HdrHistogram project's own package for Python.

Standard input has lines "name base64", as /histograms?format=v2 prints them. For each name one line
comes out: "name count p50 p90 p99 p99.9 max" in nanoseconds; histograms of one name, say those of
several pods, are added up.
"""

import sys

from hdrh.histogram import HdrHistogram

PERCENTILES = (50, 90, 99, 99.9, 100)

sums = {}
for line in sys.stdin:
    name, encoded = line.split()
    histogram = HdrHistogram.decode(encoded)
    if name in sums:
        sums[name].add(histogram)
    else:
        sums[name] = histogram

for name, histogram in sums.items():
    values = [histogram.get_value_at_percentile(percentile) for percentile in PERCENTILES]
    print(name, histogram.get_total_count(), *values)
