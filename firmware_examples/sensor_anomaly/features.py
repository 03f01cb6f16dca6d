"""Three numbers for a window of acceleration; runs on the PC and on the board."""


def features(samples):
    """Samples in g -> (root mean square, highest magnitude, mean step from sample to sample), all without their mean."""
    count = len(samples)
    mean = sum(samples) / count
    square = peak = steps = 0.0
    before = samples[0]
    for sample in samples:
        away = sample - mean
        square += away * away
        peak = max(peak, abs(away))
        steps += abs(sample - before)
        before = sample
    return (square / count) ** 0.5, peak, steps / (count - 1)
