"""xlkmv: the KMV model inside Excel, for a pool that pays tranches."""

__version__ = "0.1.0"
