"""Levels that run as jobs of a cluster: handed over, waited for, told of."""
