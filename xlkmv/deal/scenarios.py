"""Preset conditions of a plan, run through the simulation."""

from __future__ import annotations

from xlkmv.deal.stress import PRESETS, Stress, Stressed, apply, stress_faults

__all__ = ["PRESETS", "Stress", "Stressed", "apply", "stress_faults"]
