"""The speed that a model is to be expected to have on this machine, from a short measurement."""
