"""Mathematics: arrays in, arrays out; numpy and scipy.special, nothing else."""
